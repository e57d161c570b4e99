// Names of actions to their classes. A name that is not here is a clean error, never an instantiation of whatever a
// client names.
//
// Threads: filled before the world starts, read from any thread afterwards.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/engine/action.h"

namespace dynflow::engine {

class ActionRegistry {
 public:
  // kConflict when the name or an alias is taken.
  Status add(ActionClass action_class);
  // By name or alias; null when unknown. The pointer stays valid as long as the registry.
  const ActionClass* find(std::string_view name) const;

 private:
  std::map<std::string, std::shared_ptr<const ActionClass>, std::less<>> classes_;
};

}  // namespace dynflow::engine
