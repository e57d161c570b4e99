// foreman_remote_execution_core.so: what the core loads to run scripts over ssh.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "shared/executors/remote_execution/run_script.h"
#include "shared/executors/remote_execution/startup_checks.h"
#include "shared/log/log.h"
#include "shared/plugin/build_id.h"
#include "shared/plugin/context.h"
#include "shared/plugin/plugin_api.h"

namespace dynflow::remote_execution {
namespace {

constexpr std::string_view kName = "foreman_remote_execution_core";
constexpr std::string_view kVersion = "0.1.0";
// What Foreman's plugins of 2026 know this feature by (REX 1.0.1).
constexpr const char* kFeatureVersion = "1.0.1";

constexpr dynflow_text as_text(std::string_view text) { return {text.data(), text.size()}; }

// Lives as long as the process: a plugin is never unloaded.
std::unique_ptr<Executor>& executor() {
  static std::unique_ptr<Executor> instance;
  return instance;
}

Status set_up(plugin::Context& context) {
  const Result<settings::Document> document = context.settings("remote_execution_ssh");
  if (!document) return document.error();
  const Result<settings::Values> values =
      settings::Values::read(settings::remote_execution_ssh_table(), document->root, settings::StringKeys::kIgnored);
  if (!values) return values.error();
  Result<settings::RemoteExecutionSettings> settings = settings::remote_execution_settings(*values);
  if (!settings) return settings.error();
  for (const std::string& warning : values->warnings()) log::warn({}, "{}", warning);
  for (const std::string& warning : settings->warnings) log::warn({}, "{}", warning);
  Result<std::optional<Simulation>> simulation = simulation_from_environment();
  if (!simulation) return simulation.error();
  if (!simulation->has_value()) {
    if (Status checked = check_settings(*settings, context.log_level); !checked) return checked;
  }
  if (settings->kerberos_auth) {
    log::warn({}, "{}: kerberos_auth is not available in this version, passwords and keys are tried",
              values->place("kerberos_auth"));
  }
  executor() = std::make_unique<Executor>(std::move(*settings), std::move(*simulation));
  if (Status added = register_run_script(context.actions, context.dispatcher, *executor()); !added) return added;
  if (Status added = context.launchers.add("ssh", launcher::make_batch_launcher()); !added) return added;
  // Foreman looks for "Script" since 3.2, for "SSH" before; both count as the same where both are known.
  context.features.push_back({"script", kFeatureVersion, {}});
  context.features.push_back({"ssh", kFeatureVersion, {}});
  return {};
}

int init(const dynflow_host_api* host, dynflow_text* error) {
  static std::string text;  // the receiver reads it after we returned
  try {
    if (host->abi != DYNFLOW_PLUGIN_ABI || host->cxx == nullptr ||
        std::string_view(host->build_id.data, host->build_id.size) != plugin::kBuildId) {
      text = "made for another build of the core";
    } else if (Status done = set_up(*static_cast<plugin::Context*>(host->cxx)); !done) {
      text = done.error().message();
    } else {
      return 0;
    }
  } catch (const std::exception& e) {
    text = e.what();
  }
  *error = as_text(text);
  return 1;
}

void stop() {
  if (executor() != nullptr) executor()->stop();
}

constexpr dynflow_plugin_api kApi = {
    DYNFLOW_PLUGIN_ABI, sizeof(dynflow_plugin_api), as_text(kName), as_text(kVersion), as_text(plugin::kBuildId), &init, &stop,
};

}  // namespace
}  // namespace dynflow::remote_execution

extern "C" __attribute__((visibility("default"))) const dynflow_plugin_api* dynflow_plugin_v1() {
  return &dynflow::remote_execution::kApi;
}
