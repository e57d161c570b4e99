#include "shared/engine/registry.h"

#include <algorithm>
#include <utility>

namespace dynflow::engine {

namespace {

// What is left of `hooks` without what a class removes and replaces.
std::vector<Hook> inherited(std::vector<Hook> hooks, const ActionClass& action_class) {
  std::vector<Hook> kept;
  for (Hook& hook : hooks) {
    const bool is_replaced = std::any_of(action_class.hooks.begin(), action_class.hooks.end(),
                                         [&](const Hook& own) { return own.name == hook.name; });
    std::vector<HookOn> on = kinds_of(hook.on);
    for (const RemovedHook& removed : action_class.removed_hooks) {
      if (removed.name != hook.name) continue;
      if (removed.on.empty()) on.clear();
      for (const HookOn kind : removed.on) on.erase(std::remove(on.begin(), on.end(), kind), on.end());
    }
    if (is_replaced || on.empty()) continue;
    hook.on = std::move(on);
    kept.push_back(std::move(hook));
  }
  return kept;
}

}  // namespace

Status ActionRegistry::add(ActionClass action_class) {
  std::vector<std::string> names = action_class.aliases;
  names.push_back(action_class.name);
  for (const std::string& name : names) {
    if (by_name_.count(name) > 0) return Error(Code::kConflict, "action class '" + name + "' is registered already");
  }
  const ActionClass* parent = nullptr;
  if (!action_class.parent.empty()) {
    parent = find(action_class.parent);
    if (!parent) {
      return Error(Code::kNotFound, "'" + action_class.parent + "', parent of action class '" + action_class.name +
                                        "', is not registered");
    }
    action_class.is_singleton |= parent->is_singleton;
    if (!action_class.subscribes_to) action_class.subscribes_to = parent->subscribes_to;
  }
  has_listeners_ |= action_class.listens_to_sub_plans;
  has_singletons_ |= action_class.is_singleton;
  const auto shared = std::make_shared<const ActionClass>(std::move(action_class));
  if (const auto stack = MiddlewareStack::resolve({}, lineage(*shared)); !stack.ok()) return stack.error();

  const ActionClass* const added = shared.get();
  classes_.push_back(shared);
  for (std::string& name : names) {
    if (const auto waiting = subscribers_.find(name); waiting != subscribers_.end()) {
      auto& list = subscribers_of_[added];
      for (const ActionClass* subscriber : waiting->second) {
        if (std::find(list.begin(), list.end(), subscriber) == list.end()) list.push_back(subscriber);
      }
    }
    by_name_.emplace(std::move(name), added);
  }
  for (const std::string& name : added->subscribes_to.value_or(std::vector<std::string>())) {
    subscribers_[name].push_back(added);
    const ActionClass* trigger = find(name);
    if (!trigger) continue;  // it may be registered later
    auto& list = subscribers_of_[trigger];
    if (std::find(list.begin(), list.end(), added) == list.end()) list.push_back(added);
  }
  std::vector<Hook> hooks = parent ? inherited(hooks_of(*parent), *added) : std::vector<Hook>();
  hooks.insert(hooks.end(), added->hooks.begin(), added->hooks.end());
  if (!hooks.empty()) hooks_.emplace(added, std::move(hooks));
  return {};
}

const ActionClass* ActionRegistry::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

bool ActionRegistry::is_any_singleton(const persistence::PlanRecord& plan) const {
  return has_singletons_ && std::any_of(plan.actions.begin(), plan.actions.end(), [this](const auto& action) {
           const ActionClass* action_class = find(action.action_class);
           return action_class && action_class->is_singleton;
         });
}

std::vector<const ActionClass*> ActionRegistry::lineage(const ActionClass& action_class) const {
  std::vector<const ActionClass*> line{&action_class};
  while (!line.back()->parent.empty()) line.push_back(find(line.back()->parent));
  return line;
}

std::vector<const ActionClass*> ActionRegistry::all_children(std::string_view name) const {
  std::vector<const ActionClass*> children;
  const ActionClass* ancestor = find(name);
  for (const auto& candidate : classes_) {
    if (candidate.get() == ancestor) continue;
    const auto line = lineage(*candidate);
    if (ancestor && std::find(line.begin(), line.end(), ancestor) != line.end()) children.push_back(candidate.get());
  }
  return children;
}

const std::vector<const ActionClass*>& ActionRegistry::subscribers_of(const ActionClass& action_class) const {
  static const std::vector<const ActionClass*> kNone;
  if (subscribers_of_.empty()) return kNone;
  const auto found = subscribers_of_.find(&action_class);
  return found == subscribers_of_.end() ? kNone : found->second;
}

const std::vector<Hook>& ActionRegistry::hooks_of(const ActionClass& action_class) const {
  static const std::vector<Hook> kNone;
  const auto found = hooks_.find(&action_class);
  return found == hooks_.end() ? kNone : found->second;
}

}  // namespace dynflow::engine
