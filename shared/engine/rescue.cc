#include "shared/engine/rescue.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "shared/engine/references.h"
#include "shared/engine/step_error.h"
#include "shared/json/json.h"

namespace dynflow::engine {

namespace {

const StepRecord* find_step(const PlanRecord& plan, int id) {
  if (id < 1 || static_cast<std::size_t>(id) > plan.steps.size()) return nullptr;
  return &plan.steps[static_cast<std::size_t>(id - 1)];
}

const persistence::ActionRecord* find_action(const PlanRecord& plan, int id) {
  if (id < 1 || static_cast<std::size_t>(id) > plan.actions.size()) return nullptr;
  return &plan.actions[static_cast<std::size_t>(id - 1)];
}

std::optional<RescueStrategy> combine(std::optional<RescueStrategy> a, std::optional<RescueStrategy> b) {
  if (!a) return b;
  if (!b || *a == *b) return a;
  return RescueStrategy::kPause;
}

std::optional<RescueStrategy> wish_of(const PlanRecord& plan, const ActionRegistry& registry,
                                      const persistence::ActionRecord& action) {
  const auto has_failed = [&plan](int step_id) {
    const StepRecord* step = find_step(plan, step_id);
    return step && step->state == StepState::kError;
  };
  // An action that cannot say what it wishes, wishes to pause.
  const auto answer_of = [](const auto& ask) {
    RescueStrategy answer = RescueStrategy::kPause;
    (void)error_of([&] { answer = ask(); });
    return answer;
  };
  const ActionClass* action_class = registry.find(action.action_class);
  std::unique_ptr<Action> object;
  if (action_class) (void)error_of([&] { object = action_class->make(); });

  std::optional<RescueStrategy> wish;
  if (has_failed(action.plan_step_id) || has_failed(action.run_step_id) || has_failed(action.finalize_step_id)) {
    wish = object ? answer_of([&] { return object->rescue_strategy(); }) : RescueStrategy::kPause;
  }
  const StepRecord* plan_step = find_step(plan, action.plan_step_id);
  if (!plan_step || plan_step->phase != StepPhase::kPlan) return wish;
  for (const int child_step_id : plan_step->children) {
    const StepRecord* child_step = find_step(plan, child_step_id);
    const auto* child = child_step ? find_action(plan, child_step->action_id) : nullptr;
    if (!child) continue;
    auto wish_of_child = wish_of(plan, registry, *child);
    if (wish_of_child && object) {
      wish_of_child = answer_of([&] { return object->rescue_strategy_for_planned(*wish_of_child); });
    }
    wish = combine(wish, wish_of_child);
  }
  return wish;
}

// Where a skipped step goes; nothing when it cannot be skipped.
std::optional<StepState> skipped_state(const StepRecord& step) {
  if (step.phase == StepPhase::kRun && step.state == StepState::kError) return StepState::kSkipping;
  if (is_allowed(step.phase, step.state, StepState::kSkipped) && step.state != StepState::kSkipping) {
    return StepState::kSkipped;
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<StepChange>> changes_to_skip(const PlanRecord& plan, int step_id) {
  const StepRecord* step = find_step(plan, step_id);
  if (!step || step->phase == StepPhase::kPlan) {
    return Error(Code::kNotFound, "no run or finalize step " + std::to_string(step_id));
  }
  // run step -> actions that refer to it
  std::map<int, std::vector<const persistence::ActionRecord*>> users;
  for (const auto& action : plan.actions) {
    for (const OutputReference& reference : find_references(std::string_view(action.input))) {
      users[reference.step_id].push_back(&action);
    }
  }
  std::set<int> skipped;
  std::vector<int> open{step_id};
  while (!open.empty()) {
    const int id = open.back();
    open.pop_back();
    if (id == 0 || !skipped.insert(id).second) continue;
    if (const auto found = users.find(id); found != users.end()) {
      for (const auto* user : found->second) {
        open.push_back(user->run_step_id);
        open.push_back(user->finalize_step_id);
      }
    }
    const StepRecord* added = find_step(plan, id);
    if (!added || added->phase != StepPhase::kRun) continue;
    if (const auto* action = find_action(plan, added->action_id)) open.push_back(action->finalize_step_id);
  }

  std::vector<StepChange> changes;
  for (const int id : skipped) {
    const StepRecord* affected = find_step(plan, id);
    if (!affected) continue;
    if (id != step_id && (affected->state == StepState::kSkipped || affected->state == StepState::kSkipping)) continue;
    const auto state = skipped_state(*affected);
    if (!state) {
      return Error(Code::kConflict,
                   "Skipping step in " + std::string(persistence::to_string(affected->state)) + " is not supported");
    }
    changes.push_back({id, *state});
  }
  return changes;
}

std::optional<RescueStrategy> suggested_rescue(const PlanRecord& plan, const ActionRegistry& registry) {
  return plan.actions.empty() ? std::nullopt : wish_of(plan, registry, plan.actions.front());
}

}  // namespace dynflow::engine
