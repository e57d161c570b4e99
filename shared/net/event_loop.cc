#include "shared/net/event_loop.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <stdexcept>

#include "shared/log/log.h"

namespace dynflow::net {
namespace {

std::uint64_t this_thread() { return static_cast<std::uint64_t>(::syscall(SYS_gettid)); }

Poller open_poller() {
  Result<Poller> poller = Poller::open();
  // Without descriptors at start-up nothing can work: the program's start reports it.
  if (!poller) throw std::runtime_error(poller.error().message());
  return std::move(*poller);
}

}  // namespace

EventLoop::EventLoop() : poller_(open_poller()) {}
EventLoop::~EventLoop() = default;

Result<EventLoop::WatchId> EventLoop::watch(int fd, std::uint32_t events, WatchCallback callback) {
  const WatchId id = next_id_++;
  if (Status added = poller_.add(fd, events, id); !added) return added.error();
  watches_.emplace(id, std::make_shared<Watch>(Watch{fd, events, std::move(callback)}));
  return id;
}

void EventLoop::rewatch(WatchId id, std::uint32_t events) {
  const auto found = watches_.find(id);
  if (found == watches_.end() || found->second->events == events) return;
  if (poller_.modify(found->second->fd, events, id)) found->second->events = events;
}

void EventLoop::unwatch(WatchId id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  poller_.remove(found->second->fd);
  watches_.erase(found);
}

EventLoop::TimerId EventLoop::run_after(Duration span, Task task) {
  return run_at(system_clock().instant() + span, std::move(task));
}

EventLoop::TimerId EventLoop::run_at(Instant when, Task task) {
  const TimerId id = next_id_++;
  timers_.emplace(std::make_pair(when, id), std::move(task));
  timer_times_.emplace(id, when);
  return id;
}

void EventLoop::cancel(TimerId id) {
  const auto found = timer_times_.find(id);
  if (found == timer_times_.end()) return;
  timers_.erase({found->second, id});
  timer_times_.erase(found);
}

void EventLoop::post(Task task) {
  {
    std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    posted_.push_back(std::move(task));
    if (posted_.size() > 1) return;  // the wake-up for the first one is on its way
  }
  poller_.wake();
}

void EventLoop::stop() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  poller_.wake();
}

bool EventLoop::is_in_loop_thread() const { return loop_thread_ == this_thread(); }

void EventLoop::run() {
  loop_thread_ = this_thread();
  while (!run_posted()) {
    for (const Poller::Event& event : poller_.wait(wait_ms())) {
      const auto found = watches_.find(event.tag);
      if (found == watches_.end()) continue;  // unwatched by a callback of this round
      const std::shared_ptr<Watch> watch = found->second;  // the callback may unwatch itself
      guarded([&] { watch->callback(event.events); });
    }
    run_due_timers();
  }
  loop_thread_ = 0;
}

bool EventLoop::run_posted() {
  std::vector<Task> tasks;
  bool is_last = false;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(posted_);
    is_last = is_stopping_;
  }
  for (const Task& task : tasks) guarded(task);
  return is_last;
}

void EventLoop::run_due_timers() {
  const Instant now = system_clock().instant();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const auto first = timers_.begin();
    const Task task = std::move(first->second);
    timer_times_.erase(first->first.second);
    timers_.erase(first);
    guarded(task);
  }
}

int EventLoop::wait_ms() const {
  if (timers_.empty()) return -1;
  const Duration left = timers_.begin()->first.first - system_clock().instant();
  if (left <= Duration::zero()) return 0;
  return static_cast<int>(std::min<long long>(std::chrono::ceil<std::chrono::milliseconds>(left).count(), 60'000));
}

void EventLoop::guarded(const Task& task) {
  try {
    task();
  } catch (const std::exception& e) {
    log::error({}, "an event callback failed: {}", e.what());
  }
}

}  // namespace dynflow::net
