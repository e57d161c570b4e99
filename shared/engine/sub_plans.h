// Actions whose work is done by other plans: sub-plans. The action makes them in batches, waits until each has ended, and succeeds when all
// have. It is told of each end by a stored event, so nothing is polled, and a restart loses and doubles nothing.
//
// Counters in the output, kept with the event that changes them:
//   total_count      how many there are to be
//   planned_count    made so far
//   success_count    stopped with the result success
//   failed_count     could not be planned, paused, or stopped with any other result: a warning is a failure, and counts once
//   cancelled_count  not made because of a cancel, or failed after it
//   pending_count    the rest
// "paused_sub_plans" names the children that count as failed because they wait for a person; when one of them is resumed and succeeds it counts as
// a success.
//
// The action fails with "A sub task failed" when all have come to an end and not all succeeded, or as soon as none of those made so far could be
// planned. Resumed, it starts over when no child could be planned; else it looks at what its children have become meanwhile.
//
// Threads: an action; see action.h.
//
// Source: Dynflow 2.0.0, lib/dynflow/action/v2/with_sub_plans.rb, action/with_{sub_plans,bulk_sub_plans}.rb.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/engine/action.h"
#include "shared/engine/concurrency.h"
#include "shared/engine/world.h"

namespace dynflow::engine {

// What is stored of sub-plans that a distribution over time leaves no time for.
inline constexpr std::string_view kWindowOver = "The task could not be started within the maintenance window.";

class WithSubPlans : public Action {
 public:
  void run(Running& running, const Event* event) override;
  // The part of the sub-plans that has ended; 0.1 while there are none.
  Progress run_progress(const Json& input, const Json& output) const override;

 protected:
  // The sub-plans to make, each time the same list in the same order. For large numbers override total_count() and batch() instead.
  virtual std::vector<PlanRequest> create_sub_plans(Running& running);
  // How many there are to be. Asked once, at the beginning.
  virtual std::size_t total_count(Running& running);
  // Those from `from` on, exactly `size` of them.
  virtual std::vector<PlanRequest> batch(Running& running, std::size_t from, std::size_t size);
  // The most that one run makes: 1 to kMaxSubPlans.
  virtual std::size_t batch_size() const { return kMaxSubPlans; }
  // The run without an event of an action that has begun already: after a failure, a pause or a restart.
  virtual void resume(Running& running);
  // All have succeeded.
  virtual void on_finish(Running& running);

 private:
  void initiate(Running& running);
  void count(Json& output, const Json& ended) const;
  void cancel(Running& running, bool force);
  void spawn(Running& running);
  // Makes the next `count` plans; false when it has to try later.
  bool make(Running& running, std::size_t count, std::string_view refusal);
  void wake(Running& running, Duration after);

  bool has_made_ = false;  // sub-plans, in this run
};

// The class of such an action with all that it needs. It acts only through its plan's rows, so it is pure.
ActionClass sub_plans_class(std::string name, std::function<std::unique_ptr<Action>()> make);

}  // namespace dynflow::engine
