// Finds the delayed plans whose time has come, or whose last prerequisite has stopped, and has them planned.
//
// Driven by events: a timer at the next time that a stored plan names, the end of a plan in this world, a word from the store. On a store
// that other processes use it also looks every poll interval.
//
// Threads: all methods may be called from any thread; what it does happens on its own strand, where it may block on the store.
//
// Source: Dynflow 2.0.0, lib/dynflow/delayed_executors/*.rb.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "shared/engine/execution.h"

namespace dynflow::engine {

class DelayedExecutor : public std::enable_shared_from_this<DelayedExecutor> {
 public:
  // Held by shared_ptr: the world, and tasks under way. `begin` plans one, or ends it, without waiting for the store; true when it does, and then done() follows. Called on the strand.
  DelayedExecutor(Surroundings& surroundings, std::function<bool(const persistence::DelayedRecord&)> begin);

  // Looks for the first time.
  void start();
  // Begins nothing any more. Harmless twice.
  void stop();
  // There may be something new: looks soon.
  void look();
  // A plan has stopped; those that waited for it may go. Cheap as long as nothing waits at all.
  void plan_stopped(const std::string& plan_id);
  // What begin() began is over.
  void done();
  // One could not be begun, or not be written. Where that may pass it looks again in a moment.
  void failed(const Error& error);

 private:
  void post(std::function<void()> task);
  void look_now();
  void follow(const std::vector<std::string>& stopped);
  bool is_ready(const persistence::DelayedRecord& delayed) const;
  void arm();
  bool is_over() const { return is_stopped_ || surroundings_.is_closing; }
  persistence::Store& store() const { return *surroundings_.options.store; }
  Clock const& clock() const { return *surroundings_.options.clock; }

  Surroundings& surroundings_;
  const std::function<bool(const persistence::DelayedRecord&)> begin_;
  const std::shared_ptr<Strand> strand_;
  std::atomic<bool> is_stopped_{false};
  std::atomic<bool> is_look_posted_{false};
  std::atomic<bool> may_have_waiting_{true};  // plans in state scheduled
  std::atomic<Scheduler::TimerId> timer_{0};
  std::mutex mutex_;
  std::vector<std::string> stopped_;  // under mutex_: not followed yet
  // On the strand.
  std::size_t under_way_ = 0;
  std::size_t limit_;
  bool was_full_ = false;  // the last look found as many as it may
  bool is_to_retry_ = false;
};

}  // namespace dynflow::engine
