#include "shared/daemon/supervisor.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "shared/log/log.h"

namespace dynflow::daemon {
namespace {

// A manager that cannot be reached is no reason not to serve.
void notify(const std::string& state) {
  if (const int done = sd_notify(0, state.c_str()); done < 0) {
    log::debug({}, "the service manager does not hear {}: {}", state, net::errno_text(-done));
  }
}

}  // namespace

std::vector<NamedSocket> take_sockets() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  if (count < 0) log::error({}, "the sockets of the service manager cannot be taken: {}", net::errno_text(-count));
  std::vector<NamedSocket> sockets;
  for (int i = 0; i < count; ++i) sockets.push_back({names[i], Fd(SD_LISTEN_FDS_START + i)});
  for (int i = 0; i < count; ++i) std::free(names[i]);
  std::free(names);
  return sockets;
}

void tell_ready() { notify("READY=1"); }

void tell_reloading() {
  // The manager tells this reload's end from an older READY=1 by the time.
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto microseconds = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
  notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", microseconds));
}

void tell_stopping() { notify("STOPPING=1"); }
void tell_alive() { notify("WATCHDOG=1"); }

std::optional<Duration> watchdog_interval() {
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  return std::chrono::microseconds(microseconds) / 2;
}

bool keep_sockets(const OpenListeners& listeners) {
  for (const std::string& name : listeners.stale) notify("FDSTOREREMOVE=1\nFDNAME=" + name);
  bool is_asked = false;
  for (const OpenListener& one : listeners.sockets) {
    if (one.is_inherited) continue;
    const std::string state = "FDSTORE=1\nFDNAME=" + one.stored_name;
    const int fd = one.socket.fd.get();
    const int done = sd_pid_notify_with_fds(0, 0, state.c_str(), &fd, 1);
    if (done < 0) log::debug({}, "the service manager does not keep {}: {}", one.stored_name, net::errno_text(-done));
    is_asked = is_asked || done > 0;
  }
  return is_asked;
}

}  // namespace dynflow::daemon
