// The plan phase: turns a request into the rows of an execution plan.
//
// Threads: plan() may be called from any thread; it runs the actions' plan phases in the caller's.
//
// Source: Dynflow 2.0.0, lib/dynflow/execution_plan.rb:256-420, action.rb:390-550, steps/plan_step.rb.
#pragma once

#include <optional>
#include <string>

#include "shared/engine/world.h"

namespace dynflow::engine {

struct NewPlan {
  persistence::PlanRecord record;  // planned, or stopped with an error
  std::optional<persistence::StepError> error;
};

// What a plan that is in work holds in memory. More is an error of the step that wants it.
struct PlanLimits {
  std::size_t steps = 200'000;
  std::size_t input_bytes = 256U << 20;  // of all its actions, as JSON text
};

// `request.plan_id` is set and its class is registered. Never throws what an action or middleware threw.
NewPlan make_plan(World& world, const ActionRegistry& registry, const PlanRequest& request, const PlanLimits& limits = {});

}  // namespace dynflow::engine
