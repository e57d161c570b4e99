// A point in time by which something must have happened. Every wait has one.
//
// Threads: a value.
#pragma once

#include <algorithm>
#include <chrono>

#include "shared/base/clock.h"

namespace dynflow {

class Deadline {
 public:
  static Deadline after(Duration span, const Clock& clock = system_clock()) {
    return Deadline(clock.instant() + span, clock);
  }
  static Deadline at(Instant when, const Clock& clock = system_clock()) { return Deadline(when, clock); }

  bool has_passed() const { return clock_->instant() >= when_; }
  Duration left() const { return std::max(Duration::zero(), when_ - clock_->instant()); }
  // For poll(2) and epoll_wait(2): rounded up, never -1.
  int left_ms() const {
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left()).count();
    return static_cast<int>(std::min<long long>(ms, 24LL * 3600 * 1000));
  }
  Instant when() const { return when_; }
  Deadline sooner(Deadline other) const { return other.when_ < when_ ? other : *this; }

 private:
  Deadline(Instant when, const Clock& clock) : when_(when), clock_(&clock) {}
  Instant when_;
  const Clock* clock_;
};

}  // namespace dynflow
