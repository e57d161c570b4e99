#include "shared/api/console/plan_document.h"

#include "shared/api/console/words.h"
#include "shared/engine/presentation.h"
#include "shared/engine/states.h"
#include "shared/json/json.h"

namespace dynflow::api::console {
namespace {

Json flow_of(const std::string& text) {
  auto parsed = json::parse(text);
  return parsed.ok() ? std::move(*parsed) : Json();
}

Json error_of(const std::optional<persistence::StepError>& error) {
  if (!error) return {};
  return Json{{"exception_class", error->exception_class}, {"message", error->message}, {"backtrace", error->backtrace}};
}

}  // namespace

Json plan_document(engine::World& world, const PlanView& view) {
  const persistence::PlanRecord& plan = view.plan;
  Json document = summary_of(plan);
  document["progress"] = engine::progress_of(plan);
  document["run_flow"] = flow_of(plan.run_flow);
  document["finalize_flow"] = flow_of(plan.finalize_flow);
  Json history = Json::array();
  for (const persistence::HistoryEntry& entry : plan.history) {
    history.push_back({{"time", entry.time}, {"name", entry.name}, {"world_id", text_or_null(entry.world_id)}});
  }
  document["execution_history"] = std::move(history);
  Json steps = Json::array();
  for (const persistence::StepRecord& step : plan.steps) {
    steps.push_back({{"id", step.id},
                     {"action_id", step.action_id},
                     {"action_class", step.action_class},
                     {"phase", to_string(step.phase)},
                     {"state", to_string(step.state)},
                     {"humanized_state", engine::humanized_state(world, plan, step)},
                     {"queue", text_or_null(step.queue)},
                     {"started_at", time_or_null(step.started_at)},
                     {"ended_at", time_or_null(step.ended_at)},
                     {"execution_time", step.execution_time},
                     {"real_time", step.real_time},
                     {"progress_done", engine::progress_of(step)},
                     {"error", error_of(step.error)}});
  }
  document["steps"] = std::move(steps);
  if (!view.damage.empty()) {
    document["invalid"] = true;
    document["error"] = view.damage;
  }
  return document;
}

}  // namespace dynflow::api::console
