#include "shared/base/thread.h"

#include <pthread.h>
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

namespace dynflow {

NamedThread::NamedThread(std::string name, std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the new thread
  thread_ = std::thread([thread_name = name.substr(0, 15), run = std::move(body)] {
    ::pthread_setname_np(::pthread_self(), thread_name.c_str());
    try {
      run();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "thread %s: %s\n", thread_name.c_str(), e.what());
      std::abort();
    }
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

NamedThread& NamedThread::operator=(NamedThread&& other) noexcept {
  join();
  thread_ = std::move(other.thread_);
  return *this;
}

void NamedThread::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace dynflow
