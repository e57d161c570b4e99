// The bounded queue of complete requests and the threads that serve them. First come, first served: a connection
// has at most one request in the queue, so none can crowd out the others.
//
// Threads are cheap, awake threads are not: every one that runs costs switches and wake-ups. So only about as many
// workers run as there are processors, the one that slept last is woken first, and further ones are woken or started
// only for those that wait: workers that say so (net::WaitObserver), and those that relieve() finds with the same
// request for a whole tick.
//
// Threads: try_push, relieve and load from any thread; may_stay, end_stay from a worker; stop from the owner's.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/thread.h"

namespace dynflow::http {

class ServedConnection;

class WorkerPool {
 public:
  using Serve = std::function<void(ServedConnection&)>;

  // Queued requests wait this long for workers that hang without saying so. Shorter, and workers that only wait for
  // a processor would be taken for hanging ones.
  static constexpr std::chrono::milliseconds kTick{3};

  WorkerPool(std::size_t max_workers, std::size_t max_queue, Serve serve);
  ~WorkerPool();

  // False when the queue is full or the pool stopped.
  bool try_push(ServedConnection& connection);
  // To be called every kTick while it returns true: counts workers that make no progress as waiting, and has others
  // take their place. False: nothing is queued, or nobody is left who could help.
  bool relieve();

  // True when the calling worker is the only one with work: it may wait for its connection's next request, as
  // others would be woken for requests of other connections. To be followed by end_stay().
  bool may_stay();
  void end_stay();
  bool is_empty() const;
  // Returns when every worker has ended; what is still queued is served first. Harmless twice.
  void stop();

  std::size_t queued() const;
  std::size_t workers() const;

 private:
  class Worker;

  void run(Worker& self);
  // The rest: with mutex_ held.
  std::size_t running() const { return workers_.size() - idle_.size() - waiting_; }
  bool has_reserve() const { return !idle_.empty() || workers_.size() < max_workers_; }
  void call_workers();
  void set_waiting(Worker& worker, bool is_waiting);

  const std::size_t max_workers_;
  const std::size_t max_queue_;
  const std::size_t max_running_;
  const Serve serve_;
  mutable std::mutex mutex_;
  std::deque<ServedConnection*> queue_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> idle_;  // without work, asleep; the last one slept last
  std::size_t waiting_ = 0;    // workers with a request that do not run
  bool has_stayer_ = false;
  Instant next_tick_{};
  bool has_stopped_ = false;
};

}  // namespace dynflow::http
