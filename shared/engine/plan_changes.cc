#include "shared/engine/plan_changes.h"

#include <chrono>
#include <utility>

#include "shared/engine/event.h"

namespace dynflow::engine {

void add_history(PlanRecord& plan, Time now, std::string_view name, const std::string& world_id) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  plan.history.push_back({seconds, std::string(name), world_id});
}

void mark_stopped(PlanRecord& plan, Time now) {
  plan.state = PlanState::kStopped;
  plan.result = result_of(plan.steps);
  plan.ended_at = now;
  if (plan.started_at) plan.real_time = std::chrono::duration<double>(now - *plan.started_at).count();
  plan.execution_time = 0;
  for (const StepRecord& step : plan.steps) plan.execution_time += step.execution_time;
}

persistence::EventRecord end_event(const PlanRecord& plan, int listening_step, Time now) {
  const bool is_stopped = plan.state == PlanState::kStopped;
  Json data = Json::object();
  data["execution_plan_id"] = plan.id;
  data["state"] = persistence::to_string(plan.state);
  data["result"] = persistence::to_string(plan.result);
  // A plan stops once, and may pause often.
  std::string id = plan.id + (is_stopped ? "/stopped" : "/paused/" + std::to_string(plan.history.size()));
  return {std::move(id), plan.actions.front().caller_plan_id, listening_step, std::string(kSubPlanFinished), json::dump(data), now, {}};
}

std::vector<persistence::EventRecord> events_in(const persistence::WriteBatch& rows) {
  std::vector<persistence::EventRecord> events;
  for (const auto& change : rows.changes()) {
    if (const auto* put = std::get_if<persistence::WriteBatch::PutEvent>(&change)) events.push_back(put->event);
  }
  return events;
}

persistence::PlanProgress progress_of_plan(const PlanRecord& plan) {
  return {plan.state, plan.result, plan.started_at, plan.ended_at, plan.execution_time, plan.real_time, plan.history};
}

}  // namespace dynflow::engine
