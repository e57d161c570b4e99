#include "shared/http/worker_pool.h"

#include <algorithm>
#include <thread>

#include "shared/http/served_connection.h"
#include "shared/log/patience.h"
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
    Worker* called_one = nullptr;
    {
      const std::lock_guard lock(pool_.mutex_);
      pool_.set_waiting(*this, true);
      called_one = pool_.call_worker();
    }
    notify(called_one);
  }
  void after_wait() override {
    const std::lock_guard lock(pool_.mutex_);
    pool_.set_waiting(*this, false);
  }

  static void notify(Worker* worker) {
    if (worker != nullptr) worker->called.notify_one();
  }

  NamedThread thread;
  std::condition_variable called;
  bool is_called = false;
  bool is_waiting = false;         // counted in waiting_
  std::uint64_t served = 0;        // requests begun
  std::uint64_t seen_served = 0;   // `served` at the last tick
  bool has_request = false;
  bool is_in_background = false;

 private:
  WorkerPool& pool_;
};

WorkerPool::WorkerPool(Limits limits, Serve serve) : limits_(limits), max_running_(processors()), serve_(std::move(serve)) {}

WorkerPool::~WorkerPool() { stop(); }

bool WorkerPool::try_push(ServedConnection& connection) {
  Worker* called = nullptr;
  {
    const std::lock_guard lock(mutex_);
    std::deque<ServedConnection*>& queue = connection.lane == Lane::kBackground ? background_ : foreground_;
    if (has_stopped_ || queue.size() >= limits_.queue) return false;
    queue.push_back(&connection);
    called = call_worker();
  }
  Worker::notify(called);
  return true;
}

bool WorkerPool::needs_worker() const {
  if (!has_reserve()) return false;
  const std::size_t for_foreground = running() - running_in_background_;
  if (foreground_.size() > for_foreground * kQueuedPerWorker && for_foreground < max_running_) return true;
  return has_request() && running() < max_running_ && foreground_.size() + background_.size() > running() * kQueuedPerWorker;
}

WorkerPool::Worker* WorkerPool::call_worker() {
  if (!needs_worker()) return nullptr;
  if (!idle_.empty()) {
    Worker& worker = *idle_.back();
    idle_.pop_back();
    worker.is_called = true;
    return &worker;
  }
  if (has_stopped_) return nullptr;
  Worker& worker = *workers_.emplace_back(std::make_unique<Worker>(*this));
  worker.thread = NamedThread("http-worker", [this, &worker] { run(worker); });
  return nullptr;
}

void WorkerPool::set_waiting(Worker& worker, bool is_waiting) {
  if (worker.is_waiting == is_waiting) return;
  worker.is_waiting = is_waiting;
  is_waiting ? ++waiting_ : --waiting_;
  if (worker.is_in_background) is_waiting ? --running_in_background_ : ++running_in_background_;
}

bool WorkerPool::relieve() {
  std::unique_lock lock(mutex_);
  if (!has_request() || !has_reserve()) return false;
  const Instant now = system_clock().instant();
  if (now < next_tick_) return true;
  next_tick_ = now + kTick;
  for (const auto& worker : workers_) {
    if (worker->has_request && worker->served == worker->seen_served) set_waiting(*worker, true);
    worker->seen_served = worker->served;
  }
  Worker* const called = call_worker();
  lock.unlock();
  Worker::notify(called);
  return true;
}

bool WorkerPool::may_stay() {
  const std::lock_guard lock(mutex_);
  if (has_stopped_ || has_stayer_ || has_request() || running() > 1 || !has_reserve()) return false;
  has_stayer_ = true;
  return true;
}

void WorkerPool::end_stay() {
  const std::lock_guard lock(mutex_);
  has_stayer_ = false;
}

bool WorkerPool::is_surplus() const {
  return (foreground_.empty() ? running() : running() - running_in_background_) > max_running_;
}

bool WorkerPool::is_anybody_ahead(Lane lane) const {
  const std::lock_guard lock(mutex_);
  return !foreground_.empty() || (lane == Lane::kBackground && !background_.empty());
}

void WorkerPool::run(Worker& self) {
  log::may_wait_for_disk();
  const net::WaitObserver::Scope scope(self);
  std::unique_lock lock(mutex_);
  for (;;) {
    // One that waited comes back while others have taken its place.
    while (!has_request() || (is_surplus() && !has_stopped_)) {
      if (has_stopped_) return;
      idle_.push_back(&self);
      self.called.wait(lock, [&self] { return self.is_called; });
      self.is_called = false;
    }
    ServedConnection& connection = take(self);
    lock.unlock();
    serve_(connection);
    lock.lock();
    self.has_request = false;
    set_waiting(self, false);
    if (!std::exchange(self.is_in_background, false)) continue;
    --in_background_;
    --running_in_background_;
    // It was the background's last place, perhaps, and this worker may be one too many now. (Under the lock: rare.)
    Worker::notify(call_worker());
  }
}

ServedConnection& WorkerPool::take(Worker& self) {
  std::deque<ServedConnection*>& queue = foreground_.empty() ? background_ : foreground_;
  ServedConnection& connection = *queue.front();
  queue.pop_front();
  ++self.served;
  self.has_request = true;
  self.is_in_background = &queue == &background_;
  if (self.is_in_background) {
    ++in_background_;
    ++running_in_background_;
  }
  return connection;
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
  return foreground_.size() + background_.size();
}

std::size_t WorkerPool::workers() const {
  const std::lock_guard lock(mutex_);
  return workers_.size();
}

}  // namespace dynflow::http
