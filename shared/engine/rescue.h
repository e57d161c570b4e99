// What to do about failed steps: whom to skip, and what the actions suggest.
//
// Threads: pure functions.
//
// Source: Dynflow 2.0.0, lib/dynflow/execution_plan.rb:199,334-363, action.rb (rescue_strategy*).
#pragma once

#include <optional>
#include <vector>

#include "shared/base/result.h"
#include "shared/engine/registry.h"
#include "shared/engine/states.h"

namespace dynflow::engine {

struct StepChange {
  int step_id = 0;
  StepState state = StepState::kSkipped;
};

// The changes that skip a step: itself, what refers to its output directly or through others, and the finalize steps of them all.
// kNotFound: no such run or finalize step; kConflict: one of them is in a state that cannot be skipped.
Result<std::vector<StepChange>> changes_to_skip(const PlanRecord& plan, int step_id);

// The combined wish of the root action and all below it: all skip -> skip, all fail -> fail, else pause. Nothing when nothing has
// failed. An action of an unknown class wishes to pause.
std::optional<RescueStrategy> suggested_rescue(const PlanRecord& plan, const ActionRegistry& registry);

}  // namespace dynflow::engine
