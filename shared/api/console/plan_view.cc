#include "shared/api/console/plan_view.h"

#include <algorithm>
#include <utility>

#include "shared/engine/action_class.h"

namespace dynflow::api::console {

using persistence::PlanState;
using persistence::StepPhase;
using persistence::StepState;

const persistence::StepRecord* PlanView::step(int id) const {
  const auto index = static_cast<std::size_t>(id) - 1;
  return id > 0 && index < plan.steps.size() ? &plan.steps[index] : nullptr;
}

const persistence::ActionRecord* PlanView::action(int id) const {
  const auto index = static_cast<std::size_t>(id) - 1;
  return id > 0 && index < plan.actions.size() ? &plan.actions[index] : nullptr;
}

Result<PlanView> view_plan(engine::World& world, const std::string& plan_id) {
  auto plan = world.find_plan(plan_id);
  if (plan.ok()) return PlanView{std::move(*plan), {}};
  if (plan.error().code() != Code::kCorrupt) return plan.error();
  persistence::PlanFilter filter;
  filter.ids = {plan_id};
  auto rows = world.store().find_plans(filter, {});
  if (!rows.ok()) return rows.error();
  if (rows->empty()) return plan.error();
  return PlanView{std::move(rows->front()), plan.error().message()};
}

bool may_cancel(const PlanView& view) {
  return view.plan.state == PlanState::kScheduled || view.plan.state == PlanState::kRunning || view.plan.state == PlanState::kPlanned;
}

bool may_skip(const PlanView& view, const persistence::StepRecord& step) {
  return view.plan.state == PlanState::kPaused && step.state == StepState::kError && step.phase != StepPhase::kPlan;
}

bool may_cancel(engine::World& world, const persistence::StepRecord& step) {
  const bool is_at_work = step.phase == StepPhase::kRun && (step.state == StepState::kSuspended || step.state == StepState::kRunning);
  const engine::ActionClass* its_class = is_at_work ? world.find_class(step.action_class) : nullptr;
  return its_class != nullptr && its_class->is_cancellable;
}

}  // namespace dynflow::api::console
