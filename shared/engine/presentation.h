// Actions as documents and pages show them: copies of input and output, changed by the action's present() and the present()
// middleware around it. Nothing is stored.
//
// Threads: pure functions and values.
//
// Source: Dynflow 2.0.0, lib/dynflow/action.rb (Present phase), execution_plan.rb (actions).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "shared/engine/action.h"

namespace dynflow::engine {

struct Presented {
  const persistence::ActionRecord* action = nullptr;  // of the plan that was asked for
  Json input;
  Json output;
};

// What present() gets.
class Presenting {
 public:
  Presenting(World& world, const persistence::PlanRecord& plan, const persistence::ActionRecord& action, Json input, Json output)
      : world_(world), plan_(plan), action_(action), input_(std::move(input)), output_(std::move(output)) {}

  World& world() { return world_; }
  const persistence::PlanRecord& plan() const { return plan_; }
  const persistence::ActionRecord& action() const { return action_; }
  Json& input() { return input_; }
  Json& output() { return output_; }
  // The actions that this one planned, in that order, presented as they would be on their own. Cost: all that is below them if
  // they ask on.
  std::vector<Presented> planned_actions();

 private:
  World& world_;
  const persistence::PlanRecord& plan_;
  const persistence::ActionRecord& action_;
  Json input_;
  Json output_;
};

// Never fails: what cannot be read or presented is shown as empty objects, and logged. `plan` must outlive the result.
Presented present(World& world, const persistence::PlanRecord& plan, const persistence::ActionRecord& action);

// The word for a step of `plan`. Never fails: what has no word of its own has its state's.
std::string humanized_state(World& world, const persistence::PlanRecord& plan, const persistence::StepRecord& step);

}  // namespace dynflow::engine
