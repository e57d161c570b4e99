#include "shared/http/worker_pool.h"

#include <algorithm>
#include <thread>

#include "shared/net/wait_observer.h"

namespace dynflow::http {
namespace {

// A worker that runs comes for the next request sooner than a sleeping one is awake, unless this many wait for it.
constexpr std::size_t kQueuedPerWorker = 4;

std::size_t processors() { return std::max<std::size_t>(std::thread::hardware_concurrency(), 2); }

}  // namespace

// Everything but the thread and the observer's calls is guarded by the pool's mutex.
class WorkerPool::Worker final : public net::WaitObserver {
 public:
  explicit Worker(WorkerPool& pool) : pool_(pool) {}

  void before_wait() override {
    const std::lock_guard lock(pool_.mutex_);
    pool_.set_waiting(*this, true);
    pool_.call_workers();
  }
  void after_wait() override {
    const std::lock_guard lock(pool_.mutex_);
    pool_.set_waiting(*this, false);
  }

  NamedThread thread;
  std::condition_variable called;
  bool is_called = false;
  bool is_waiting = false;         // counted in waiting_
  std::uint64_t served = 0;        // requests begun
  std::uint64_t seen_served = 0;   // `served` at the last tick
  bool has_request = false;

 private:
  WorkerPool& pool_;
};

WorkerPool::WorkerPool(std::size_t max_workers, std::size_t max_queue, Serve serve)
    : max_workers_(max_workers), max_queue_(max_queue), max_running_(processors()), serve_(std::move(serve)) {}

WorkerPool::~WorkerPool() { stop(); }

bool WorkerPool::try_push(ServedConnection& connection) {
  const std::lock_guard lock(mutex_);
  if (has_stopped_ || queue_.size() >= max_queue_) return false;
  queue_.push_back(&connection);
  call_workers();
  return true;
}

void WorkerPool::call_workers() {
  if (queue_.empty() || running() >= max_running_ || !has_reserve()) return;
  if (queue_.size() <= running() * kQueuedPerWorker) return;
  if (!idle_.empty()) {
    Worker& worker = *idle_.back();
    idle_.pop_back();
    worker.is_called = true;
    worker.called.notify_one();
    return;
  }
  if (has_stopped_) return;
  Worker& worker = *workers_.emplace_back(std::make_unique<Worker>(*this));
  worker.thread = NamedThread("http-worker", [this, &worker] { run(worker); });
}

void WorkerPool::set_waiting(Worker& worker, bool is_waiting) {
  if (worker.is_waiting == is_waiting) return;
  worker.is_waiting = is_waiting;
  is_waiting ? ++waiting_ : --waiting_;
}

bool WorkerPool::relieve() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty() || !has_reserve()) return false;
  const Instant now = system_clock().instant();
  if (now < next_tick_) return true;
  next_tick_ = now + kTick;
  for (const auto& worker : workers_) {
    if (worker->has_request && worker->served == worker->seen_served) set_waiting(*worker, true);
    worker->seen_served = worker->served;
  }
  call_workers();
  return true;
}

bool WorkerPool::may_stay() {
  const std::lock_guard lock(mutex_);
  if (has_stopped_ || has_stayer_ || !queue_.empty() || running() > 1 || !has_reserve()) return false;
  has_stayer_ = true;
  return true;
}

void WorkerPool::end_stay() {
  const std::lock_guard lock(mutex_);
  has_stayer_ = false;
}

bool WorkerPool::is_empty() const {
  const std::lock_guard lock(mutex_);
  return queue_.empty();
}

void WorkerPool::run(Worker& self) {
  const net::WaitObserver::Scope scope(self);
  std::unique_lock lock(mutex_);
  for (;;) {
    // One that waited comes back while others have taken its place.
    while (queue_.empty() || (running() > max_running_ && !has_stopped_)) {
      if (has_stopped_) return;
      idle_.push_back(&self);
      self.called.wait(lock, [&self] { return self.is_called; });
      self.is_called = false;
    }
    ServedConnection& connection = *queue_.front();
    queue_.pop_front();
    ++self.served;
    self.has_request = true;
    lock.unlock();
    serve_(connection);
    lock.lock();
    self.has_request = false;
    set_waiting(self, false);
  }
}

void WorkerPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    has_stopped_ = true;
    for (Worker* worker : idle_) {
      worker->is_called = true;
      worker->called.notify_one();
    }
    idle_.clear();
  }
  // No worker is added any more. They stay until the pool ends: a waiting one still looks at itself.
  for (const auto& worker : workers_) worker->thread.join();
}

std::size_t WorkerPool::queued() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

std::size_t WorkerPool::workers() const {
  const std::lock_guard lock(mutex_);
  return workers_.size();
}

}  // namespace dynflow::http
