#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/base/thread.h"
#include "shared/base/urgency.h"
#include "shared/engine/scheduler.h"

namespace dynflow::engine {

namespace {

class ThreadScheduler final : public Scheduler {
 public:
  ThreadScheduler(std::size_t threads, const Clock& clock) : clock_(clock) {
    for (std::size_t i = 0; i < threads; ++i) {
      threads_.emplace_back("engine-" + std::to_string(i + 1), [this] {
        give_way();
        work();
      });
    }
    threads_.emplace_back("engine-timer", [this] { tick(); });
  }
  ~ThreadScheduler() override { stop(); }

  void post(std::function<void()> task) override {
    {
      const std::lock_guard lock(mutex_);
      if (is_stopped_) return;
      tasks_.push_back(std::move(task));
    }
    has_tasks_.notify_one();
  }

  TimerId post_at(Instant when, std::function<void()> task) override {
    TimerId id = 0;
    bool is_first = false;
    {
      const std::lock_guard lock(mutex_);
      if (is_stopped_) return 0;
      id = ++last_timer_;
      const auto timer = timers_.emplace(when, Timer{id, std::move(task)});
      timer_of_id_.emplace(id, timer);
      is_first = timer == timers_.begin();
    }
    if (is_first) timers_changed_.notify_one();
    return id;
  }

  void cancel(TimerId id) override {
    std::function<void()> dropped;  // destroyed without the lock: what it holds may post when it goes
    const std::lock_guard lock(mutex_);
    const auto found = timer_of_id_.find(id);
    if (found == timer_of_id_.end()) return;
    dropped = std::move(found->second->second.task);
    timers_.erase(found->second);
    timer_of_id_.erase(found);
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      is_stopped_ = true;
    }
    has_tasks_.notify_all();
    timers_changed_.notify_all();
    for (NamedThread& thread : threads_) thread.join();
    // Outside the lock: what a task holds may post when it goes.
    std::deque<std::function<void()>> tasks;
    Timers timers;
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
    timers.swap(timers_);
    timer_of_id_.clear();
  }

 private:
  struct Timer {
    TimerId id = 0;
    std::function<void()> task;
  };
  using Timers = std::multimap<Instant, Timer>;

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      has_tasks_.wait(lock, [this] { return is_stopped_ || !tasks_.empty(); });
      if (is_stopped_) return;
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
    }
  }

  void tick() {
    std::unique_lock lock(mutex_);
    while (!is_stopped_) {
      if (timers_.empty()) {
        timers_changed_.wait(lock);
        continue;
      }
      const Duration left = timers_.begin()->first - clock_.instant();
      if (left > Duration::zero()) {
        timers_changed_.wait_for(lock, left);
        continue;
      }
      tasks_.push_back(std::move(timers_.begin()->second.task));
      timer_of_id_.erase(timers_.begin()->second.id);
      timers_.erase(timers_.begin());
      has_tasks_.notify_one();
    }
  }

  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable has_tasks_;
  std::condition_variable timers_changed_;
  std::deque<std::function<void()>> tasks_;
  Timers timers_;
  std::unordered_map<TimerId, Timers::iterator> timer_of_id_;
  TimerId last_timer_ = 0;
  bool is_stopped_ = false;
  std::vector<NamedThread> threads_;  // last: they use everything above
};

}  // namespace

std::unique_ptr<Scheduler> make_thread_scheduler(std::size_t threads, const Clock& clock) {
  return std::make_unique<ThreadScheduler>(threads, clock);
}

}  // namespace dynflow::engine
