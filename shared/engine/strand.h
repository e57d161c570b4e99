// Strands: tasks that run one after another on whatever thread is free; and the count of what a world has under way.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "shared/base/deadline.h"
#include "shared/engine/scheduler.h"

namespace dynflow::engine {

class Strand;

// Waits until `is_met`, which is asked under `lock`. For schedulers without threads the waiting thread runs their tasks. False: the
// deadline passed first.
bool wait_until(Scheduler& scheduler, std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                Deadline deadline, const std::function<bool()>& is_met);

// What a world has under way, so that it can end while tasks of it still lie in the scheduler and the store.
//
// Threads: all methods may be called from any thread.
class Activity {
 public:
  // A task of a strand begins: false when the world is gone and the task must not run.
  [[nodiscard]] bool enter();
  void leave();
  // A strand has tasks, or has none any more. False: the world is closed, its tasks never run.
  [[nodiscard]] bool strand_woke(const std::shared_ptr<Strand>& strand);
  void strand_slept(const Strand& strand);
  // A batch was given to the store, or completed.
  void write_began();
  void write_ended();
  // Batches on their way.
  int writes() const;

  // Nothing runs, waits to run, or is being written. False: the deadline passed first.
  bool wait_until_quiet(Scheduler& scheduler, Deadline deadline);
  // No task runs from now on; returns when none does and no write is on its way, and the tasks that waited are gone.
  void close(Scheduler& scheduler);

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int running_ = 0;
  std::unordered_map<const Strand*, std::weak_ptr<Strand>> awake_;
  int writing_ = 0;
  bool is_closed_ = false;
};

// Threads: post() may be called from any thread; tasks run one at a time, in the order of the posts.
class Strand : public std::enable_shared_from_this<Strand> {
 public:
  // `scheduler` outlives the strand. Held by shared_ptr: its owner and the scheduler's task.
  Strand(Scheduler& scheduler, std::shared_ptr<Activity> activity)
      : scheduler_(scheduler), activity_(std::move(activity)) {}

  void post(std::function<void()> task);
  // Destroys the tasks that wait. For strands of a world that is gone: tasks hold the strand's owner, and it holds the strand.
  void discard();

 private:
  void schedule();
  void drain();

  Scheduler& scheduler_;
  const std::shared_ptr<Activity> activity_;
  std::mutex mutex_;
  std::list<std::function<void()>> tasks_;  // an empty deque holds half a KiB, and most strands are idle
  bool is_awake_ = false;  // from the first post until the queue was found empty
};

}  // namespace dynflow::engine
