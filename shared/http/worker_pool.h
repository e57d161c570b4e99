// The bounded queues of complete requests, one a lane, and the threads that serve them. First come, first served: a
// connection has at most one request in a queue, so none can crowd out the others. The foreground comes before the background,
// which also never has more than its share of the threads; foreground requests get workers as if there were no background.
//
// Threads are cheap, awake threads are not: every one that runs costs switches and wake-ups. So only about as many
// workers run as there are processors, the one that slept last is woken first, and further ones are woken or started
// only for those that wait: workers that say so (net::WaitObserver), and those that relieve() finds with the same
// request for a whole tick.
//
// Threads: try_push, relieve and load from any thread; may_stay, end_stay from a worker; stop from the owner's.
#pragma once

#include <atomic>
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
enum class Lane;

class WorkerPool {
 public:
  using Serve = std::function<void(ServedConnection&)>;

  // Queued requests wait this long for workers that hang without saying so. Shorter, and workers that only wait for
  // a processor would be taken for hanging ones.
  static constexpr std::chrono::milliseconds kTick{3};

  struct Limits {
    std::size_t workers;
    std::size_t background_workers;  // of these
    std::size_t queue;               // requests that wait, in each lane
  };
  WorkerPool(Limits limits, Serve serve);
  ~WorkerPool();

  // False when the queue of its lane is full or the pool stopped.
  bool try_push(ServedConnection& connection);
  // To be called every kTick while it returns true: counts workers that make no progress as waiting, and has others
  // take their place. False: nothing is queued, or nobody is left who could help.
  bool relieve();

  // True when the calling worker is the only one with work: it may wait for its connection's next request, as
  // others would be woken for requests of other connections. To be followed by end_stay().
  bool may_stay();
  void end_stay();
  // Whether a request waits that comes before another one of a connection in this lane.
  bool is_anybody_ahead(Lane lane) const;
  // Returns when every worker has ended; what is still queued is served first. Harmless twice.
  void stop();

  // A request was refused as there was no room.
  void count_refusal() { refused_.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

  std::size_t queued() const;
  std::size_t workers() const;

 private:
  class Worker;

  void run(Worker& self);
  // The rest: with mutex_ held.
  std::size_t running() const { return workers_.size() - idle_.size() - waiting_; }
  bool has_reserve() const { return !idle_.empty() || workers_.size() < limits_.workers; }
  bool has_request() const { return !foreground_.empty() || (!background_.empty() && (has_stopped_ || in_background_ < limits_.background_workers)); }
  // Whether another worker shall come for what is queued.
  bool needs_worker() const;
  // Whether the calling worker, who has no request, is one more than shall run for what is queued.
  bool is_surplus() const;
  ServedConnection& take(Worker& self);
  // The worker to be notified after the lock is released, when one is needed: it would only wait for the lock.
  [[nodiscard]] Worker* call_worker();
  void set_waiting(Worker& worker, bool is_waiting);

  const Limits limits_;
  const std::size_t max_running_;
  const Serve serve_;
  mutable std::mutex mutex_;
  std::deque<ServedConnection*> foreground_;
  std::deque<ServedConnection*> background_;
  std::size_t in_background_ = 0;          // workers with a background request
  std::size_t running_in_background_ = 0;  // those of them that do not wait
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> idle_;  // without work, asleep; the last one slept last
  std::size_t waiting_ = 0;    // workers with a request that do not run
  bool has_stayer_ = false;
  Instant next_tick_{};
  bool has_stopped_ = false;
  std::atomic<std::uint64_t> refused_{0};
};

}  // namespace dynflow::http
