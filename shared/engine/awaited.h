// A value that another thread will set once.
//
// Threads: all methods may be called from any thread; one waits.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "shared/base/result.h"
#include "shared/engine/strand.h"

namespace dynflow::engine {

template <class T>
class Awaited {
 public:
  void set(T value) {
    const std::lock_guard lock(mutex_);
    if (!value_) value_.emplace(std::move(value));
    changed_.notify_all();
  }
  // kTimeout when the deadline passed first.
  T wait(Scheduler& scheduler, Deadline deadline) {
    std::unique_lock lock(mutex_);
    if (!wait_until(scheduler, lock, changed_, deadline, [this] { return value_.has_value(); })) {
      return Error(Code::kTimeout, "the store did not answer in time");
    }
    return std::move(*value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

}  // namespace dynflow::engine
