#include "shared/base/signals.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>

namespace dynflow {

SignalWaiter::SignalWaiter(std::initializer_list<int> signals) {
  sigemptyset(&set_);
  for (const int signal : signals) sigaddset(&set_, signal);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
}

std::optional<int> SignalWaiter::wait(Duration span) {
  const Instant end = system_clock().instant() + span;
  while (true) {
    const auto left = std::max(Duration::zero(), end - system_clock().instant());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    timespec time{};
    time.tv_sec = static_cast<time_t>(seconds.count());
    time.tv_nsec = static_cast<long>(std::chrono::nanoseconds(left - seconds).count());
    const int signal = sigtimedwait(&set_, nullptr, &time);
    if (signal > 0) return signal;
    if (errno != EINTR) return std::nullopt;
  }
}

}  // namespace dynflow
