// One thread that waits for descriptors and timers and calls back: what drives ssh sessions, child processes and runners.
//
// Threads: run() occupies the loop's thread; callbacks run there. post() and stop() may be called from any thread; everything
// else from the loop's thread, or from any thread while run() has not begun. A callback must not block. What a callback throws is
// logged and the loop goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/base/clock.h"
#include "shared/net/poller.h"

namespace dynflow::net {

class EventLoop {
 public:
  using Task = std::function<void()>;
  using WatchCallback = std::function<void(std::uint32_t events)>;  // kReadable, kWritable, ... of poller.h
  using WatchId = std::uint64_t;  // never 0, never used twice
  using TimerId = std::uint64_t;  // never 0, never used twice

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Calls back whenever one of `events` (level-triggered), a hang-up or a failure is there. The descriptor stays the caller's and
  // must be unwatched before it is closed. Errors: kUnavailable.
  Result<WatchId> watch(int fd, std::uint32_t events, WatchCallback callback);
  // Other events from now on. No effect when they are the same.
  void rewatch(WatchId id, std::uint32_t events);
  // No call-back after this returns, even for events seen already. Unknown ids are ignored.
  void unwatch(WatchId id);

  TimerId run_after(Duration span, Task task);
  TimerId run_at(Instant when, Task task);
  // Unknown ids, and those of timers that fired, are ignored.
  void cancel(TimerId id);

  // Runs the task soon, in the order of the calls of one thread. Tasks posted after stop() never run.
  void post(Task task);

  // Returns after stop(), when the tasks posted before it have run.
  void run();
  void stop();
  bool is_in_loop_thread() const;

 private:
  struct Watch {
    int fd;
    std::uint32_t events;
    WatchCallback callback;
  };

  bool run_posted();  // true when stop() was called
  void run_due_timers();
  int wait_ms() const;
  void guarded(const Task& task);

  Poller poller_;
  std::unordered_map<WatchId, std::shared_ptr<Watch>> watches_;
  std::map<std::pair<Instant, TimerId>, Task> timers_;
  std::unordered_map<TimerId, Instant> timer_times_;
  std::uint64_t next_id_ = 1;
  std::atomic<std::uint64_t> loop_thread_{0};

  std::mutex mutex_;  // guards the two below
  std::vector<Task> posted_;
  bool is_stopping_ = false;
};

}  // namespace dynflow::net
