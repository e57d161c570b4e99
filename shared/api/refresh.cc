#include "shared/api/refresh.h"

#include <iterator>

#include "shared/json/json.h"

namespace dynflow::api {

bool Refresher::is_due(const std::string& plan_id) {
  const Instant now = world_.clock().instant();
  const std::lock_guard lock(mutex_);
  if (now >= next_sweep_) {
    for (auto it = last_.begin(); it != last_.end();) it = now - it->second >= interval_ ? last_.erase(it) : std::next(it);
    next_sweep_ = now + interval_;
  }
  const auto [at, is_new] = last_.emplace(plan_id, now);
  if (is_new) return true;
  if (now - at->second < interval_) return false;
  at->second = now;
  return true;
}

void Refresher::looked_at(const std::string& plan_id) {
  const auto statuses = world_.find_statuses({plan_id});
  if (!statuses || statuses->empty() || statuses->front().state != persistence::PlanState::kRunning) return;
  if (!is_due(plan_id)) return;
  const auto plan = world_.find_plan(plan_id);
  if (!plan) return;
  for (const persistence::StepRecord& step : plan->steps) {
    if (step.phase != persistence::StepPhase::kRun || step.state != persistence::StepState::kSuspended) continue;
    const auto action = static_cast<std::size_t>(step.action_id - 1);
    if (action >= plan->actions.size()) continue;
    // Only the actions of runners understand it: those with a runner in their output.
    const auto output = json::parse(plan->actions[action].output);
    if (output && !json::get_string(*output, "runner_id").empty()) {
      world_.send(plan_id, step.id, {std::string(engine::kPoll), Json()});
    }
  }
}

}  // namespace dynflow::api
