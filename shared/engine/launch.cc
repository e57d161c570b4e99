#include "shared/engine/launch.h"

#include "shared/engine/plan_changes.h"

namespace dynflow::engine {

std::vector<std::string> Launch::ids() const {
  std::vector<std::string> list;
  for (const NewPlan& plan : plans) list.push_back(plan.record.id);
  return list;
}

void refuse(NewPlan& plan, const std::string& text, Time now, const std::string& world_id) {
  if (plan.error) return;
  plan.error = persistence::StepError{"StandardError", text, {}};
  PlanRecord& record = plan.record;
  for (StepRecord& step : record.steps) {
    if (step.phase != StepPhase::kRun) continue;
    step.state = StepState::kError;
    step.error = plan.error;
  }
  mark_stopped(record, now);
  add_history(record, now, history_name(PlanState::kStopped), world_id);
}

}  // namespace dynflow::engine
