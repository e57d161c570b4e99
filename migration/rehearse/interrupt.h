// The wish to end early: Ctrl-C, or the time that a rehearsal may take.
//
// Threads: all methods from any thread.
#pragma once

#include <atomic>

#include "shared/base/deadline.h"
#include "shared/base/interrupt.h"
#include "shared/base/result.h"

namespace dynflow::migration {

class Interrupt {
 public:
  explicit Interrupt(Deadline deadline) : deadline_(deadline) {}

  void set_for_test() { is_set_ = true; }
  // kClosed after a signal that is remembered, kTimeout after the deadline.
  Status check() const {
    if (is_set_ || is_interrupted()) return Error(Code::kClosed, "interrupted");
    if (deadline_.has_passed()) return Error(Code::kTimeout, "the rehearsal took longer than it may");
    return {};
  }
  Deadline deadline() const { return deadline_; }

 private:
  std::atomic<bool> is_set_ = false;
  Deadline deadline_;
};

}  // namespace dynflow::migration
