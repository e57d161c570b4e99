#include "shared/engine/presentation.h"

#include "shared/engine/step_error.h"
#include "shared/engine/world.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::ActionRecord;
using persistence::PlanRecord;

namespace {

Json parse_stored(const std::string& text) {
  if (text.empty() || text == "{}") return Json::object();
  auto parsed = json::parse(text);
  if (!parsed.ok()) throw ActionError("StandardError", "the stored text cannot be read: " + parsed.error().message());
  return std::move(*parsed);
}

}  // namespace

std::vector<Presented> Presenting::planned_actions() {
  std::vector<Presented> found;
  const auto own_step = static_cast<std::size_t>(action_.plan_step_id - 1);
  if (own_step >= plan_.steps.size()) return found;
  for (const int child : plan_.steps[own_step].children) {
    const auto step = static_cast<std::size_t>(child - 1);
    if (step >= plan_.steps.size()) continue;
    const auto action = static_cast<std::size_t>(plan_.steps[step].action_id - 1);
    if (action < plan_.actions.size()) found.push_back(present(world_, plan_, plan_.actions[action]));
  }
  return found;
}

Presented present(World& world, const PlanRecord& plan, const ActionRecord& action) {
  Presented shown{&action, Json::object(), Json::object()};
  const auto failed = error_of([&] {
    const ActionClass* action_class = world.find_class(action.action_class);
    Presenting presenting(world, plan, action, parse_stored(action.input), parse_stored(action.output));
    const auto inner = [&] {
      if (action_class) action_class->make()->present(presenting);
    };
    const MiddlewareStack* stack = world.middleware_of(action_class);
    stack ? stack->present(presenting, inner) : inner();
    shown.input = std::move(presenting.input());
    shown.output = std::move(presenting.output());
  });
  if (failed) {
    log::error({.task_id = plan.id}, "action {} of class {} cannot be shown: {} - {}", action.id, action.action_class,
               failed->exception_class, failed->message);
  }
  return shown;
}

std::string humanized_state(World& world, const PlanRecord& plan, const persistence::StepRecord& step) {
  std::string word;
  (void)error_of([&] {
    const ActionClass* action_class = world.find_class(step.action_class);
    const auto index = static_cast<std::size_t>(step.action_id - 1);
    if (!action_class || index >= plan.actions.size()) return;
    word = action_class->make()->humanized_state(step, parse_stored(plan.actions[index].output));
  });
  return word.empty() ? std::string(persistence::to_string(step.state)) : word;
}

}  // namespace dynflow::engine
