// The files of the modules in settings.d: dynflow.yml, logs.yml, remote_execution_ssh.yml, ansible.yml.
//
// Threads: values.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/settings/runner_limits.h"
#include "shared/settings/schema.h"

namespace dynflow::settings {

// Which listeners serve a module.
struct Enabled {
  bool http = false;
  bool https = false;
  bool is_on() const { return http || https; }
  bool operator==(const Enabled&) const = default;
};
// true: both; the strings http and https: that one; anything else: none (smart-proxy 3.11,
// lib/proxy/settings/plugin.rb:4-5).
Enabled enabled_of(const Node& value);

struct ModuleSettings {
  std::string path;
  bool is_file_there = false;
  Enabled enabled;
  Values values;
  std::vector<std::string> warnings;

  // Why the module cannot be started: Values::failure() of one that is switched on.
  std::optional<std::string> failure() const { return enabled.is_on() ? values.failure() : std::nullopt; }
};

// The file that `table` names in `settings_directory`. A missing file is a warning in upstream's words and means the
// defaults; keys without a colon are ignored with a warning. Errors: those of load_yaml and Values::read.
Result<ModuleSettings> load_module(const Table& table, const std::string& settings_directory, Missing missing = Missing::kRefused);

const Table& dynflow_table();
const Table& logs_table();
const Table& ansible_table();

struct DynflowSettings {
  Enabled enabled;
  std::optional<std::string> database;  // nothing or empty: in memory; DYNFLOW_DB_CONN_STRING comes first
  std::optional<std::string> secrets_key_file;  // nothing: secrets are in memory only
  bool console_auth = true;
  std::string core_url;
  std::chrono::seconds core_timeout{55};
  std::chrono::seconds core_try_timeout{30};  // 0: no limit of its own
  std::optional<bool> external_core;  // true: relay; false: in-process; nothing: in-process when loadable
  bool handover_automatic = true;
  std::chrono::seconds handover_give_up{600};    // 0: never
  std::chrono::seconds handover_follow_up{1800};
  std::chrono::seconds execution_plan_cleaner_age{1800};
  std::string backup_folder;  // of tasks that the cleaner removes; empty: they are not kept
  RunnerLimits runner_limits;
  ModuleSettings module;
};
Result<DynflowSettings> load_dynflow(const std::string& settings_directory, Missing missing = Missing::kRefused);

}  // namespace dynflow::settings
