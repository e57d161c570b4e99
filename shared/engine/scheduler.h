// Runs tasks on threads: the pool of a running program, or a seeded single thread for tests.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "shared/base/clock.h"

namespace dynflow::engine {

class Scheduler {
 public:
  using TimerId = std::uint64_t;  // 0 is none

  virtual ~Scheduler() = default;
  virtual void post(std::function<void()> task) = 0;
  virtual TimerId post_at(Instant when, std::function<void()> task) = 0;
  // The task goes without having run, unless its time has come already. Unknown ids are ignored.
  virtual void cancel(TimerId timer) = 0;
  // No new tasks; returns when none runs. Harmless twice.
  virtual void stop() = 0;

  // A scheduler without threads of its own, for tests: whoever waits for the world runs its tasks meanwhile.
  virtual bool is_driven_by_waiters() const { return false; }
  // Runs one task in the caller's thread; false when none is ready.
  virtual bool run_one() { return false; }
};

// `threads` worker threads; timers by `clock`'s instants.
std::unique_ptr<Scheduler> make_thread_scheduler(std::size_t threads, const Clock& clock = system_clock());

}  // namespace dynflow::engine
