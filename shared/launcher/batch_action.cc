#include "shared/launcher/batch_action.h"

#include <algorithm>
#include <memory>

#include "shared/engine/world.h"
#include "shared/json/json.h"

namespace dynflow::launcher {
namespace {

class BatchAction final : public engine::Action {
 public:
  explicit BatchAction(engine::RescueStrategy rescue) : rescue_(rescue) {}

  void run(engine::Running& running, const engine::Event*) override {
    const Json* entries = json::find(running.input(), "input_hash");
    const std::size_t total = entries == nullptr ? 0 : entries->size();
    // The children became durable together with this plan: those that could not be planned are known by now.
    const auto children = running.world().store().load_sub_plans(running.plan_id());
    if (!children) throw engine::ActionError("RuntimeError", children.error().message());
    const auto failed = static_cast<std::size_t>(std::count_if(children->begin(), children->end(), [](const auto& child) {
      return child.state == persistence::PlanState::kStopped && child.result == persistence::PlanResult::kError;
    }));
    Json& output = running.output();
    output["total_count"] = total;
    output["failed_count"] = failed;
    output["pending_count"] = total - std::min(total, failed);
    output["success_count"] = 0;
  }

  engine::RescueStrategy rescue_strategy() const override { return rescue_; }

 private:
  engine::RescueStrategy rescue_;
};

engine::ActionClass batch_class(std::string_view name, engine::RescueStrategy rescue) {
  engine::ActionClass made;
  made.name = name;
  made.has_run = true;
  made.make = [rescue] { return std::make_unique<BatchAction>(rescue); };
  return made;
}

}  // namespace

Status register_batch_actions(engine::ActionRegistry& registry) {
  if (Status done = registry.add(batch_class(kBatchAction, engine::RescueStrategy::kFail)); !done) return done;
  return registry.add(batch_class(kSingleRunnerBatchAction, engine::RescueStrategy::kSkip));
}

}  // namespace dynflow::launcher
