#include "shared/engine/hooks.h"

#include <algorithm>
#include <utility>

#include "shared/engine/presentation.h"
#include "shared/engine/registry.h"
#include "shared/engine/step_error.h"
#include "shared/engine/strand.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::PlanRecord;
using persistence::PlanResult;
using persistence::PlanState;

namespace {

// Changes of state whose hooks wait.
constexpr std::size_t kMostWaiting = 100'000;

HookOn kind_of(PlanState state) {
  switch (state) {
    case PlanState::kPending:
      return HookOn::kPending;
    case PlanState::kScheduled:
      return HookOn::kScheduled;
    case PlanState::kPlanning:
      return HookOn::kPlanning;
    case PlanState::kPlanned:
      return HookOn::kPlanned;
    case PlanState::kRunning:
      return HookOn::kRunning;
    case PlanState::kPaused:
      return HookOn::kPaused;
    case PlanState::kStopped:
      break;
  }
  return HookOn::kStopped;
}

}  // namespace

std::string_view to_string(HookOn on) {
  switch (on) {
    case HookOn::kPending:
      return "pending";
    case HookOn::kScheduled:
      return "scheduled";
    case HookOn::kPlanning:
      return "planning";
    case HookOn::kPlanned:
      return "planned";
    case HookOn::kRunning:
      return "running";
    case HookOn::kPaused:
      return "paused";
    case HookOn::kStopped:
      return "stopped";
    case HookOn::kSuccess:
      return "success";
    case HookOn::kFailure:
      return "failure";
  }
  return {};
}

std::vector<HookOn> kinds_of(const std::vector<HookOn>& on) {
  if (!on.empty()) return on;
  return {HookOn::kPending, HookOn::kScheduled, HookOn::kPlanning, HookOn::kPlanned,
          HookOn::kRunning, HookOn::kPaused,    HookOn::kStopped};
}

bool HookRunner::wants(const PlanRecord& plan) const {
  if (!registry_.has_hooks()) return false;
  return std::any_of(plan.actions.begin(), plan.actions.end(), [this](const persistence::ActionRecord& action) {
    const ActionClass* action_class = registry_.find(action.action_class);
    return action_class && !registry_.hooks_of(*action_class).empty();
  });
}

bool HookRunner::is_congested() const { return waiting_ > kMostWaiting; }

void HookRunner::stored(std::shared_ptr<const PlanRecord> plan, std::vector<PlanState> states) {
  ++waiting_;
  lane_->post([this, plan = std::move(plan), states = std::move(states)] {
    for (const PlanState state : states) run(*plan, kind_of(state));
    if (states.back() == PlanState::kStopped) {
      if (plan->result == PlanResult::kSuccess) run(*plan, HookOn::kSuccess);
      if (plan->result != PlanResult::kSuccess && plan->result != PlanResult::kPending) run(*plan, HookOn::kFailure);
    }
    --waiting_;
  });
}

void HookRunner::run(const PlanRecord& plan, HookOn on) const {
  for (const persistence::ActionRecord& action : plan.actions) {
    const ActionClass* action_class = registry_.find(action.action_class);
    if (!action_class) continue;
    for (const Hook& hook : registry_.hooks_of(*action_class)) {
      const std::vector<HookOn> kinds = kinds_of(hook.on);
      if (std::find(kinds.begin(), kinds.end(), on) == kinds.end()) continue;
      const auto failed = error_of([&] {
        const Presented shown = present(world_, plan, action);
        const HookContext context{world_, plan, action, on, shown.input, shown.output};
        const MiddlewareStack* stack = middleware_.of(action_class);
        stack ? stack->hook(context, [&] { hook.call(context); }) : hook.call(context);
      });
      if (failed) {
        log::error({.task_id = plan.id}, "Failed to run hook '{}' for action '{}': {} - {}", hook.name, action.action_class,
                   failed->exception_class, failed->message);
      }
    }
  }
}

}  // namespace dynflow::engine
