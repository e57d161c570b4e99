#include "shared/engine/registry.h"

#include <utility>

namespace dynflow::engine {

Status ActionRegistry::add(ActionClass action_class) {
  std::vector<std::string> names = action_class.aliases;
  names.push_back(action_class.name);
  for (const std::string& name : names) {
    if (classes_.count(name) > 0) return Error(Code::kConflict, "action class '" + name + "' is registered already");
  }
  const auto shared = std::make_shared<const ActionClass>(std::move(action_class));
  for (std::string& name : names) classes_.emplace(std::move(name), shared);
  return {};
}

const ActionClass* ActionRegistry::find(std::string_view name) const {
  const auto found = classes_.find(name);
  return found == classes_.end() ? nullptr : found->second.get();
}

}  // namespace dynflow::engine
