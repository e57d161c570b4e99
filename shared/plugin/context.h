// What a plugin of the same build gets: the registries it adds to, and the services its actions use.
//
// Threads: used from init() on the loading thread; the references stay valid until the core stops.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/engine/registry.h"
#include "shared/launcher/launcher.h"
#include "shared/launcher/one_time_passwords.h"
#include "shared/runner/dispatcher.h"
#include "shared/settings/yaml.h"

namespace dynflow::plugin {

// A feature that the proxy announces to Foreman because a plugin is loaded: "script" with capability "cockpit", ...
struct Feature {
  std::string name;
  std::string version;
  std::vector<std::string> capabilities;
};

struct Context {
  engine::ActionRegistry& actions;
  launcher::LauncherRegistry& launchers;
  runner::Dispatcher& dispatcher;
  launcher::OneTimePasswords& passwords;  // with which hosts may report about a task
  // The parsed settings.d/<name>.yml; an empty map when there is none.
  std::function<Result<settings::Document>(const std::string& name)> settings;
  std::string log_level;  // of the hosting process: "INFO"
  std::vector<Feature>& features;
};

}  // namespace dynflow::plugin
