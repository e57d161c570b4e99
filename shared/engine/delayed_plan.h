// A plan that waits for its time or for other plans: how it is made, and how it ends without having been planned.
//
// Threads: functions without state, to be called from any thread.
//
// Source: Dynflow 2.0.0, lib/dynflow/delayed_plan.rb, execution_plan.rb:256-275.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/engine/planner.h"
#include "shared/engine/states.h"

namespace dynflow::engine {

struct NewDelayedPlan {
  PlanRecord record;  // scheduled, or stopped with an error
  persistence::DelayedRecord delayed;  // of a scheduled one
  std::optional<persistence::StepError> error;  // the serializer's
};

// `request.plan_id` is set and its class is registered. Never throws what a serializer or middleware threw.
NewDelayedPlan make_delayed_plan(World& world, const ActionRegistry& registry, const PlanRequest& request,
                                 const DelayOptions& options, const std::string& world_id);

// The request that a stored plan was made from, without its secrets. Errors: kNotFound (its class is not registered), kInvalid (the
// arguments cannot be got back).
Result<PlanRequest> request_of(const ActionRegistry& registry, const PlanRecord& plan,
                               const persistence::DelayedRecord& delayed);

// The ends of a plan that was not planned.
void expire(PlanRecord& plan, Time start_before, Time now, const std::string& world_id);
void fail_dependency(PlanRecord& plan, const std::vector<std::string>& failed, Time now, const std::string& world_id);
void fail_delayed(PlanRecord& plan, const std::string& text, Time now, const std::string& world_id);
void cancel_delayed(PlanRecord& plan, Time now, const std::string& world_id);

}  // namespace dynflow::engine
