#include "shared/engine/strand.h"

#include <chrono>
#include <utility>

namespace dynflow::engine {

namespace {

// Tasks that one strand may run before it queues up behind the others again.
constexpr int kTasksInTurn = 16;

}  // namespace

bool wait_until(Scheduler& scheduler, std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                Deadline deadline, const std::function<bool()>& is_met) {
  while (!is_met()) {
    if (deadline.has_passed()) return false;
    if (!scheduler.is_driven_by_waiters()) {
      changed.wait_for(lock, deadline.left());
      continue;
    }
    lock.unlock();
    const bool ran = scheduler.run_one();
    lock.lock();
    // Nothing to run: what we wait for comes from a thread of the store.
    if (!ran && !is_met()) changed.wait_for(lock, std::chrono::milliseconds(1));
  }
  return true;
}

bool Activity::enter() {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return false;
  ++running_;
  return true;
}

void Activity::leave() {
  const std::lock_guard lock(mutex_);
  --running_;
  changed_.notify_all();
}

bool Activity::strand_woke(const std::shared_ptr<Strand>& strand) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return false;
  awake_.emplace(strand.get(), strand);
  return true;
}

void Activity::strand_slept(const Strand& strand) {
  const std::lock_guard lock(mutex_);
  awake_.erase(&strand);
  changed_.notify_all();
}

void Activity::write_began() {
  const std::lock_guard lock(mutex_);
  ++writing_;
}

void Activity::write_ended() {
  const std::lock_guard lock(mutex_);
  --writing_;
  changed_.notify_all();
}

int Activity::writes() const {
  const std::lock_guard lock(mutex_);
  return writing_;
}

bool Activity::wait_until_quiet(Scheduler& scheduler, Deadline deadline) {
  std::unique_lock lock(mutex_);
  return wait_until(scheduler, lock, changed_, deadline,
                    [this] { return running_ == 0 && awake_.empty() && writing_ == 0; });
}

void Activity::close(Scheduler& scheduler) {
  std::unique_lock lock(mutex_);
  is_closed_ = true;
  // Not bounded on purpose: what runs now uses the world, and the store completes every batch.
  while (!wait_until(scheduler, lock, changed_, Deadline::after(std::chrono::hours(1)),
                     [this] { return running_ == 0 && writing_ == 0; })) {
  }
  const auto left = std::exchange(awake_, {});
  lock.unlock();
  for (const auto& [_, strand] : left) {
    if (const auto alive = strand.lock()) alive->discard();
  }
}

void Strand::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    if (is_awake_) return;
    is_awake_ = true;
  }
  // What is dropped when a world closes may post here: the slot of a queue that goes to the next.
  activity_->strand_woke(shared_from_this()) ? schedule() : discard();
}

void Strand::schedule() {
  scheduler_.post([self = shared_from_this()] { self->drain(); });
}

void Strand::discard() {
  std::list<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped.swap(tasks_);
    is_awake_ = false;
  }
  // Destroyed without the lock: what they hold may own this strand.
}

void Strand::drain() {
  if (!activity_->enter()) return discard();
  bool is_empty = false;
  for (int i = 0; i < kTasksInTurn && !is_empty; ++i) {
    std::function<void()> task;
    {
      const std::lock_guard lock(mutex_);
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
    task = nullptr;  // what it held goes before the strand may be taken up elsewhere
    const std::lock_guard lock(mutex_);
    is_empty = tasks_.empty();
    if (is_empty) is_awake_ = false;
  }
  if (is_empty) {
    activity_->strand_slept(*this);
  } else {
    schedule();
  }
  activity_->leave();
}

}  // namespace dynflow::engine
