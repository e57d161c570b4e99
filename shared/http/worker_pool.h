// The bounded queue of complete requests and the threads that serve them. First come, first served: a connection
// has at most one request in the queue, so none can crowd out the others.
//
// Threads: try_push, is_quiet and load from any thread; stop from the owner's.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "shared/base/thread.h"

namespace dynflow::http {

class ServedConnection;

class WorkerPool {
 public:
  using Serve = std::function<void(ServedConnection&)>;

  WorkerPool(std::size_t max_workers, std::size_t max_queue, Serve serve)
      : max_workers_(max_workers), max_queue_(max_queue), serve_(std::move(serve)) {}
  ~WorkerPool() { stop(); }

  // False when the queue is full or the pool stopped.
  bool try_push(ServedConnection& connection);
  // True when nothing is queued and another worker is free: the caller, a worker, may stay with its connection.
  bool is_quiet() const;
  bool is_empty() const;
  // Returns when every worker has ended; what is still queued is served first. Harmless twice.
  void stop();

  std::size_t queued() const;
  std::size_t workers() const;

 private:
  void run();

  const std::size_t max_workers_;
  const std::size_t max_queue_;
  const Serve serve_;
  mutable std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<ServedConnection*> queue_;
  std::vector<NamedThread> workers_;
  std::size_t waiting_ = 0;   // workers without work
  bool has_stopped_ = false;
};

}  // namespace dynflow::http
