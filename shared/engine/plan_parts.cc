#include "shared/engine/plan_parts.h"

#include <algorithm>
#include <string>

namespace dynflow::engine {

using persistence::ActionRecord;
using persistence::PlanRecord;
using persistence::StepPhase;
using persistence::StepRecord;

namespace {

template <class Records>
bool are_numbered(const Records& records) {
  int id = 0;
  return std::all_of(records.begin(), records.end(), [&](const auto& record) { return record.id == ++id; });
}

}  // namespace

Status check_parts(const PlanRecord& plan) {
  const auto step_count = static_cast<int>(plan.steps.size());
  const auto action_count = static_cast<int>(plan.actions.size());
  const auto is_step_or_none = [&](int id) { return id >= 0 && id <= step_count; };
  const auto fits = [&](const ActionRecord& action) {
    return is_step_or_none(action.plan_step_id) && is_step_or_none(action.run_step_id) && is_step_or_none(action.finalize_step_id);
  };
  const auto has_its_action = [&](const StepRecord& step) { return step.action_id >= 1 && step.action_id <= action_count; };
  // Planned behind its parent: so there are no circles.
  const auto has_its_children = [&](const StepRecord& step) {
    return step.phase != StepPhase::kPlan ||
           std::all_of(step.children.begin(), step.children.end(), [&](int id) { return id > step.id && id <= step_count; });
  };
  std::string what;
  if (!are_numbered(plan.steps) || !is_step_or_none(plan.root_plan_step_id)) {
    what = "steps are missing";
  } else if (!are_numbered(plan.actions)) {
    what = "actions are missing";
  } else if (!std::all_of(plan.actions.begin(), plan.actions.end(), fits)) {
    what = "actions name steps that are not there";
  } else if (!std::all_of(plan.steps.begin(), plan.steps.end(), has_its_action)) {
    what = "steps name actions that are not there";
  } else if (!std::all_of(plan.steps.begin(), plan.steps.end(), has_its_children)) {
    what = "steps name children that cannot be theirs";
  }
  if (what.empty()) return {};
  return Error(Code::kCorrupt, "plan " + plan.id + ": stored " + what);
}

}  // namespace dynflow::engine
