// The action that Foreman asks for: run a script on a host.
//
// Threads: made and run on plan strands; the services live as long as the process.
//
// Source: theforeman/smart_proxy_remote_execution_ssh v1.0.1, actions/run_script.rb.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "shared/engine/registry.h"
#include "shared/executors/remote_execution/background.h"
#include "shared/executors/remote_execution/connect_gate.h"
#include "shared/executors/remote_execution/connection.h"
#include "shared/executors/remote_execution/fake_runner.h"
#include "shared/executors/remote_execution/key_store.h"
#include "shared/runner/dispatcher.h"
#include "shared/settings/remote_execution_ssh.h"

namespace dynflow::remote_execution {

inline constexpr std::string_view kRunScript = "Proxy::RemoteExecution::Ssh::Actions::RunScript";
inline constexpr std::string_view kRunScriptBefore21 = "ForemanRemoteExecutionCore::Actions::RunScript";

// What all jobs of a process share.
class Executor {
 public:
  Executor(settings::RemoteExecutionSettings settings, std::optional<Simulation> simulation);

  const settings::RemoteExecutionSettings& settings() const { return settings_; }
  const std::optional<Simulation>& simulation() const { return simulation_; }
  ConnectionServices services() { return {background_, keys_, gate_}; }
  void stop() { background_.stop(); }

 private:
  const settings::RemoteExecutionSettings settings_;
  const std::optional<Simulation> simulation_;
  KeyStore keys_;
  ConnectGate gate_;
  Background background_;
};

// The executor outlives every action made from this. kConflict when the names are taken.
Status register_run_script(engine::ActionRegistry& actions, runner::Dispatcher& dispatcher, Executor& executor);

}  // namespace dynflow::remote_execution
