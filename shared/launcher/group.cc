#include "shared/launcher/group.h"

#include <utility>

#include "shared/base/ids.h"
#include "shared/launcher/batch_action.h"

namespace dynflow::launcher {

std::string_view GroupLauncher::parent_class() const { return kSingleRunnerBatchAction; }

std::vector<engine::PlanRequest> GroupLauncher::requests(std::vector<Entry> entries, const LaunchContext& context) const {
  if (entries.empty()) return {};
  const std::string runner_id = system_ids().uuid();
  Json targets = Json::object();
  Json secrets = Json::object();
  std::vector<engine::PlanRequest> made;
  for (Entry& entry : entries) {
    Json collected = Json::object();
    for (const char* key : {"name", "callback", "callback_host", "current_request_id"}) {
      if (const Json* value = json::find(entry.input, key)) collected[key] = *value;
    }
    collected["runner_id"] = runner_id;
    if (!entry.secrets.is_null()) secrets[entry.id] = std::move(entry.secrets);
    targets[entry.id] =
        Json{{"execution_plan_id", entry.id}, {"run_step_id", collector_step()}, {"input", std::move(entry.input)}};
    engine::PlanRequest collector;
    collector.plan_id = std::move(entry.id);
    collector.action_class = collector_class();
    collector.args = std::move(collected);
    collector.request_digest = std::move(entry.digest);
    collector.request_id = context.request_id;
    made.push_back(std::move(collector));
  }
  engine::PlanRequest runner;
  runner.plan_id = system_ids().uuid();
  runner.action_class = runner_class();
  runner.args = Json{{"targets", std::move(targets)}, {"runner_id", runner_id}};
  if (!secrets.empty()) runner.secrets = std::move(secrets);
  runner.request_id = context.request_id;
  made.push_back(std::move(runner));
  return made;
}

}  // namespace dynflow::launcher
