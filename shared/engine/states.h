// The state machines of plans and steps, as tables, and what follows from the states of steps.
//
// Threads: pure functions.
//
// Source: Dynflow 2.0.0, lib/dynflow/execution_plan.rb:61-75, execution_plan/steps/{plan,run,finalize}_step.rb.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "shared/persistence/records.h"

namespace dynflow::engine {

using persistence::PlanRecord;
using persistence::PlanResult;
using persistence::PlanState;
using persistence::StepPhase;
using persistence::StepRecord;
using persistence::StepState;

struct PlanTransition {
  PlanState from;
  std::vector<PlanState> to;
};
struct StepTransition {
  StepPhase phase;
  StepState from;
  std::vector<StepState> to;
};

// All that is allowed; what is not in here is a bug of the engine.
const std::vector<PlanTransition>& plan_transitions();
const std::vector<StepTransition>& step_transitions();

bool is_allowed(PlanState from, PlanState to);
bool is_allowed(StepPhase phase, StepState from, StepState to);

// The history entry that a plan gets when it enters a state; empty = none.
std::string_view history_name(PlanState state);

// What the states of a plan's steps say about it.
PlanResult result_of(const std::vector<StepRecord>& steps);
bool has_failed_step(const std::vector<StepRecord>& steps);

// What counts as done of a step (upstream overrides the stored value by state).
double progress_of(const StepRecord& step);
// Of a plan, 0 to 1: its run and finalize steps by their weights (Dynflow 2.0.0, lib/dynflow/execution_plan.rb:501).
double progress_of(const PlanRecord& plan);

}  // namespace dynflow::engine
