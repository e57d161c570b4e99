#include "shared/engine/states.h"

#include <algorithm>

namespace dynflow::engine {

const std::vector<PlanTransition>& plan_transitions() {
  using S = PlanState;
  static const std::vector<PlanTransition> table = {
      {S::kPending, {S::kStopped, S::kScheduled, S::kPlanning}},
      {S::kScheduled, {S::kPlanning, S::kStopped}},
      {S::kPlanning, {S::kPlanned, S::kStopped}},
      {S::kPlanned, {S::kRunning, S::kStopped}},
      {S::kRunning, {S::kPaused, S::kStopped}},
      {S::kPaused, {S::kRunning, S::kStopped}},
      {S::kStopped, {}},
  };
  return table;
}

const std::vector<StepTransition>& step_transitions() {
  using P = StepPhase;
  using S = StepState;
  static const std::vector<StepTransition> table = {
      {P::kPlan, S::kScheduling, {S::kPending, S::kError, S::kCancelled}},
      {P::kPlan, S::kPending, {S::kRunning, S::kError, S::kCancelled}},
      {P::kPlan, S::kRunning, {S::kSuccess, S::kError, S::kCancelled}},
      {P::kPlan, S::kSuccess, {}},
      {P::kPlan, S::kError, {}},
      {P::kPlan, S::kCancelled, {}},

      // running -> pending is ours: a world that stops takes back a step that it had announced and not begun.
      {P::kRun, S::kPending, {S::kRunning, S::kSkipped, S::kError}},
      {P::kRun, S::kRunning, {S::kSuccess, S::kError, S::kSuspended, S::kPending}},
      {P::kRun, S::kSuccess, {}},
      {P::kRun, S::kSuspended, {S::kRunning, S::kError}},
      {P::kRun, S::kSkipping, {S::kError, S::kSkipped}},
      {P::kRun, S::kSkipped, {}},
      {P::kRun, S::kError, {S::kSkipping, S::kRunning}},

      {P::kFinalize, S::kPending, {S::kRunning, S::kSkipped}},
      {P::kFinalize, S::kRunning, {S::kSuccess, S::kError}},
      {P::kFinalize, S::kSuccess, {S::kPending}},
      {P::kFinalize, S::kError, {S::kPending, S::kSkipped}},
      {P::kFinalize, S::kSkipped, {}},
  };
  return table;
}

namespace {

template <class States, class State>
bool holds(const States& states, State state) {
  return std::find(states.begin(), states.end(), state) != states.end();
}

}  // namespace

bool is_allowed(PlanState from, PlanState to) {
  for (const PlanTransition& row : plan_transitions()) {
    if (row.from == from) return holds(row.to, to);
  }
  return false;
}

bool is_allowed(StepPhase phase, StepState from, StepState to) {
  for (const StepTransition& row : step_transitions()) {
    if (row.phase == phase && row.from == from) return holds(row.to, to);
  }
  return false;
}

std::string_view history_name(PlanState state) {
  switch (state) {
    case PlanState::kRunning:
      return "start execution";
    case PlanState::kPaused:
      return "pause execution";
    case PlanState::kStopped:
      return "finish execution";
    case PlanState::kScheduled:
      return "delay";
    case PlanState::kPending:
    case PlanState::kPlanning:
    case PlanState::kPlanned:
      break;
  }
  return {};
}

PlanResult result_of(const std::vector<StepRecord>& steps) {
  bool any_error = false;
  bool any_skipped = false;
  bool all_success = true;
  for (const StepRecord& step : steps) {
    if (step.state == StepState::kCancelled) return PlanResult::kCancelled;
    any_error |= step.state == StepState::kError;
    any_skipped |= step.state == StepState::kSkipping || step.state == StepState::kSkipped;
    all_success &= step.state == StepState::kSuccess;
  }
  if (any_error) return PlanResult::kError;
  if (any_skipped) return PlanResult::kWarning;
  return all_success ? PlanResult::kSuccess : PlanResult::kPending;
}

bool has_failed_step(const std::vector<StepRecord>& steps) {
  return std::any_of(steps.begin(), steps.end(), [](const StepRecord& s) { return s.state == StepState::kError; });
}

double progress_of(const StepRecord& step) {
  switch (step.state) {
    case StepState::kSuccess:
    case StepState::kSkipped:
      return 1;
    case StepState::kPending:
    case StepState::kScheduling:
      return 0;
    default:
      return step.progress_done;
  }
}

double progress_of(const PlanRecord& plan) {
  if (plan.state == PlanState::kPending || plan.state == PlanState::kPlanning || plan.state == PlanState::kScheduled) return 0;
  double done = 0;
  double weight = 0;
  for (const StepRecord& step : plan.steps) {
    if (step.phase == StepPhase::kPlan) continue;
    done += progress_of(step) * step.progress_weight;
    weight += step.progress_weight;
  }
  return weight > 0 ? done / weight : 1;
}

}  // namespace dynflow::engine
