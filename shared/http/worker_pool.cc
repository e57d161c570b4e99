#include "shared/http/worker_pool.h"

namespace dynflow::http {

bool WorkerPool::try_push(ServedConnection& connection) {
  bool wakes = false;
  {
    const std::lock_guard lock(mutex_);
    if (has_stopped_ || queue_.size() >= max_queue_) return false;
    queue_.push_back(&connection);
    // One more thread only while all are busy: requests that can be served by a thread that has just been woken
    // do not count.
    if (queue_.size() > waiting_ && workers_.size() < max_workers_) {
      workers_.emplace_back("http-worker", [this] { run(); });
    }
    wakes = waiting_ > 0;
  }
  if (wakes) has_work_.notify_one();
  return true;
}

bool WorkerPool::is_quiet() const {
  const std::lock_guard lock(mutex_);
  return queue_.empty() && (waiting_ > 0 || workers_.size() < max_workers_) && !has_stopped_;
}

bool WorkerPool::is_empty() const {
  const std::lock_guard lock(mutex_);
  return queue_.empty();
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (queue_.empty()) {
      if (has_stopped_) return;
      ++waiting_;
      has_work_.wait(lock);
      --waiting_;
    }
    ServedConnection& connection = *queue_.front();
    queue_.pop_front();
    lock.unlock();
    serve_(connection);
    lock.lock();
  }
}

void WorkerPool::stop() {
  std::vector<NamedThread> workers;
  {
    const std::lock_guard lock(mutex_);
    has_stopped_ = true;
    workers.swap(workers_);
  }
  has_work_.notify_all();
  for (NamedThread& worker : workers) worker.join();
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
