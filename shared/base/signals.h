// Signals as something a program waits for, instead of handlers that interrupt it.
//
// Threads: from the main thread, before any other thread is started.
#pragma once

#include <csignal>
#include <initializer_list>
#include <optional>

#include "shared/base/clock.h"

namespace dynflow {

class SignalWaiter {
 public:
  // Blocks these signals for the calling thread and all threads it starts later. SIGPIPE is ignored from here on.
  explicit SignalWaiter(std::initializer_list<int> signals);

  // The next of the signals; nothing when none came within `span`.
  std::optional<int> wait(Duration span);

 private:
  sigset_t set_{};
};

}  // namespace dynflow
