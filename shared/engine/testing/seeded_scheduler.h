// A scheduler without threads: tasks run when the test says so, or while somebody waits for the world, in an order that a seed
// decides; timers follow a virtual clock.
//
// Threads: post() may be called from any thread, e.g. a store's; everything else from the test's.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "shared/engine/scheduler.h"

namespace dynflow::engine {

class SeededScheduler final : public Scheduler {
 public:
  SeededScheduler(std::uint64_t seed, VirtualClock& clock) : random_(seed), clock_(clock) {}

  void post(std::function<void()> task) override {
    const std::lock_guard lock(mutex_);
    if (!is_stopped_) tasks_.push_back(std::move(task));
  }
  TimerId post_at(Instant when, std::function<void()> task) override {
    const std::lock_guard lock(mutex_);
    if (is_stopped_) return 0;
    timers_.emplace(when, Timer{++last_timer_, std::move(task)});
    return last_timer_;
  }
  void cancel(TimerId id) override {
    std::function<void()> dropped;  // destroyed without the lock
    const std::lock_guard lock(mutex_);
    for (auto timer = timers_.begin(); timer != timers_.end(); ++timer) {
      if (timer->second.id != id) continue;
      dropped = std::move(timer->second.task);
      timers_.erase(timer);
      return;
    }
  }
  void stop() override {
    std::vector<std::function<void()>> tasks;
    std::multimap<Instant, Timer> timers;
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
    tasks.swap(tasks_);
    timers.swap(timers_);
  }

  // From now on the clock jumps to the next timer when nothing is ready, so that whoever waits for a retry gets it.
  void let_time_pass() { lets_time_pass_ = true; }

  bool is_driven_by_waiters() const override { return true; }
  bool run_one() override {
    std::function<void()> task;
    if (lets_time_pass_ && !has_ready() && next_timer_in() > Duration::zero()) clock_.advance(next_timer_in());
    {
      const std::lock_guard lock(mutex_);
      while (!timers_.empty() && timers_.begin()->first <= clock_.instant()) {
        tasks_.push_back(std::move(timers_.begin()->second.task));
        timers_.erase(timers_.begin());
      }
      if (tasks_.empty()) return false;
      const std::size_t at = std::uniform_int_distribution<std::size_t>(0, tasks_.size() - 1)(random_);
      task = std::move(tasks_[at]);
      tasks_.erase(tasks_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    task();
    return true;
  }

  // Until nothing is ready; timers that are not due stay.
  void run_ready() {
    while (run_one()) {
    }
  }
  // Until nothing is ready and no timer is left: the clock jumps from timer to timer.
  void run_to_the_end() {
    for (run_ready(); next_timer_in() >= Duration::zero(); run_ready()) clock_.advance(next_timer_in());
  }
  void advance(Duration by) {
    clock_.advance(by);
    run_ready();
  }
  // When the first timer is due.
  std::optional<Instant> next_timer() const {
    const std::lock_guard lock(mutex_);
    return timers_.empty() ? std::nullopt : std::optional<Instant>(timers_.begin()->first);
  }
  std::size_t timers() const {
    const std::lock_guard lock(mutex_);
    return timers_.size();
  }

 private:
  struct Timer {
    TimerId id = 0;
    std::function<void()> task;
  };

  bool has_ready() const {
    const std::lock_guard lock(mutex_);
    return !tasks_.empty();
  }
  // Negative: there is none.
  Duration next_timer_in() const {
    const std::lock_guard lock(mutex_);
    if (timers_.empty()) return Duration(-1);
    return std::max(Duration::zero(), timers_.begin()->first - clock_.instant());
  }

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  VirtualClock& clock_;
  std::vector<std::function<void()>> tasks_;
  std::multimap<Instant, Timer> timers_;
  TimerId last_timer_ = 0;
  bool is_stopped_ = false;
  bool lets_time_pass_ = false;
};

}  // namespace dynflow::engine
