#include <algorithm>

#include "shared/launcher/launcher.h"

namespace dynflow::launcher {

Status LauncherRegistry::add(std::string operation, std::shared_ptr<Launcher> launcher) {
  if (find(operation) != nullptr) return Error(Code::kConflict, "operation '" + operation + "' is registered already");
  launchers_.emplace_back(std::move(operation), std::move(launcher));
  return {};
}

Launcher* LauncherRegistry::find(std::string_view operation) const {
  const auto found = std::find_if(launchers_.begin(), launchers_.end(), [&](const auto& it) { return it.first == operation; });
  return found == launchers_.end() ? nullptr : found->second.get();
}

std::vector<std::string> LauncherRegistry::operations() const {
  std::vector<std::string> names;
  for (const auto& [name, launcher] : launchers_) names.push_back(name);
  return names;
}

}  // namespace dynflow::launcher
