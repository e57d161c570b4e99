// Names of actions to their classes. A name that is not here is a clean error, never an instantiation of whatever a
// client names: a stored plan of such a class keeps the name, and its steps fail when they run.
//
// Threads: filled before the world starts, read from any thread afterwards.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/engine/action_class.h"

namespace dynflow::engine {

class ActionRegistry {
 public:
  // kConflict: the name or an alias is taken; kNotFound: no such parent; kInvalid: the rules of its middleware form a circle.
  Status add(ActionClass action_class);
  // By name or alias; null when unknown. The pointer stays valid as long as the registry.
  const ActionClass* find(std::string_view name) const;
  // True when the end of a sub-plan may matter to anybody.
  bool has_listeners() const { return has_listeners_; }

  // In the order of add().
  const std::vector<std::shared_ptr<const ActionClass>>& classes() const { return classes_; }
  // The class itself, its parent, the parent's parent, and so on.
  std::vector<const ActionClass*> lineage(const ActionClass& action_class) const;
  // Classes below this one, at any depth, in the order of add(). Empty for unknown names.
  std::vector<const ActionClass*> all_children(std::string_view name) const;
  // The classes that are planned with this one, in the order of add(); by name or alias of either.
  const std::vector<const ActionClass*>& subscribers_of(const ActionClass& action_class) const;
  // Own hooks and those of the parents that were not removed.
  const std::vector<Hook>& hooks_of(const ActionClass& action_class) const;
  bool has_hooks() const { return !hooks_.empty(); }
  bool has_singletons() const { return has_singletons_; }
  // An action of the plan is a singleton, so that the plan may hold locks.
  bool is_any_singleton(const persistence::PlanRecord& plan) const;

 private:
  std::vector<std::shared_ptr<const ActionClass>> classes_;
  bool has_singletons_ = false;
  std::map<std::string, const ActionClass*, std::less<>> by_name_;
  std::map<std::string, std::vector<const ActionClass*>, std::less<>> subscribers_;  // by the name that they gave
  std::map<const ActionClass*, std::vector<const ActionClass*>> subscribers_of_;     // of the classes with some
  std::map<const ActionClass*, std::vector<Hook>> hooks_;                            // of the classes with some
  bool has_listeners_ = false;
};

}  // namespace dynflow::engine
