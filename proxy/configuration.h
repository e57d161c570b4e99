// What the proxy's settings files say, and what follows from them for each part of the program.
//
// Threads: values and pure functions; load_configuration() reads files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "proxy/dynflow/dynflow_module.h"
#include "proxy/host/authorization.h"
#include "proxy/host/features.h"
#include "proxy/script/script_module.h"
#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/net/tls_context.h"
#include "shared/settings/global.h"
#include "shared/settings/module.h"

namespace dynflow::proxy {

struct Configuration {
  settings::GlobalSettings global;
  settings::DynflowSettings dynflow;
  settings::ModuleSettings logs;
  settings::ModuleSettings remote_execution_ssh;
  settings::ModuleSettings ansible;

  // In the order of reading.
  std::vector<const settings::ModuleSettings*> modules() const;
  // Of all files, in the order of reading.
  std::vector<std::string> warnings() const;
  // Why modules that are switched on, and could be started with what was read `before`, cannot be now; empty: nothing is missing.
  std::vector<std::string> new_failures(const Configuration& before) const;
  // Of all files, in the order of reading; always the same files.
  std::vector<const settings::Values*> tables() const;
};

// Reads `folder`/settings.yml and the module files. Errors: kInvalid, one line with file, line, key and what is
// expected. A value that a module lacks is none: the module will be failed.
Result<Configuration> load_configuration(const std::filesystem::path& folder);

TrustPolicy trust_policy(const Configuration& configuration);
// Who may read the metrics besides.
TrustPolicy metrics_policy(const Configuration& configuration);
Duration resolver_limit(const Configuration& configuration);
net::TlsServerOptions tls_options(const Configuration& configuration);
// Errors: kInvalid, as above, for a core_url that cannot be used.
Result<DynflowOptions> dynflow_options(const Configuration& configuration, std::filesystem::path executable_folder);
// Errors: kInvalid, as above, for settings that do not go together.
Result<ScriptOptions> script_options(const Configuration& configuration);
// The row of /logs.
Feature logs_feature(const Configuration& configuration);

}  // namespace dynflow::proxy
