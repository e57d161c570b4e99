// A plan as the console reads it: also one of which only the row is left.
//
// Threads: as World.
#pragma once

#include <string>

#include "shared/base/result.h"
#include "shared/engine/world.h"

namespace dynflow::api::console {

struct PlanView {
  persistence::PlanRecord plan;
  std::string damage;  // why steps and actions are missing; empty: they are there

  // Null where the plan lacks what others name.
  const persistence::StepRecord* step(int id) const;
  const persistence::ActionRecord* action(int id) const;
  const persistence::ActionRecord* action_of(const persistence::StepRecord& step) const { return action(step.action_id); }
};

// Errors: kNotFound, and the store's.
Result<PlanView> view_plan(engine::World& world, const std::string& plan_id);

// What a person may do.
bool may_cancel(const PlanView& view);
bool may_skip(const PlanView& view, const persistence::StepRecord& step);
bool may_cancel(engine::World& world, const persistence::StepRecord& step);

}  // namespace dynflow::api::console
