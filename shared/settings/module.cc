#include "shared/settings/module.h"

#include <fmt/format.h>

#include <array>

#include "shared/settings/backup.h"

namespace dynflow::settings {

namespace {

constexpr std::array kDynflowSettings = {
    Setting{"enabled", Type::kEnabled, "false", "Which listeners serve the module."},
    Setting{"database", Type::kPath, "", "SQLite file of the task store, or `postgresql://...`; empty or absent: in memory. `DYNFLOW_DB_CONN_STRING` in the environment comes first."},
    Setting{"secrets_key_file", Type::kPath, "", "File with a key, mode 0600 or 0640: passwords of jobs that have not begun are then stored encrypted with it, so that a restart of the process does not lose them. Absent: they are in memory only. Read at the start."},
    Setting{"console_auth", Type::kBool, "true", "Whether the console asks for a client certificate and a trusted host.", Null::kRefused},
    Setting{"core_url", Type::kString, "http://localhost:8008", "Where the standalone core service listens.", Null::kRefused, {}, check_http_url},
    Setting{"core_timeout", Type::kInt, "55", "Seconds that a request below `/dynflow` may take, the body of a core service's answer included; less than the 60 that Foreman waits, so that it gets an answer.", Null::kDefault, {}, check_positive},
    Setting{"core_try_timeout", Type::kInt, "30", "Seconds after which a GET whose answer has not begun is sent a second time; 0: never.", Null::kDefault, {}, check_not_negative},
    Setting{"external_core", Type::kBool, "", "`true`: tasks run in the standalone service at `:core_url:`; `false`: in the proxy; absent: in the proxy if the core library can be loaded."},
    Setting{"handover_automatic", Type::kBool, "true", "Whether a hand-over between proxy and core service ends by itself when the old side has nothing left.", Null::kDefault},
    Setting{"handover_give_up", Type::kInt, "600", "Seconds after which an old side that cannot be asked is given up; 0: never.", Null::kDefault, {}, check_not_negative},
    Setting{"handover_follow_up", Type::kInt, "1800", "Seconds after a hand-over in which the old side is still asked about tasks that the new one does not know.", Null::kDefault, {}, check_not_negative},
    Setting{"execution_plan_cleaner_age", Type::kInt, "1800", "Age in seconds after which finished tasks are deleted.", Null::kRefused, {}, check_positive},
    kBackupSettings[0],
    kBackupSettings[1],
    kRunnerLimitSettings[0],
    kRunnerLimitSettings[1],
    kRunnerLimitSettings[2],
};

constexpr std::array kLogsSettings = {
    Setting{"enabled", Type::kEnabled, "true", "Which listeners serve the module."},
};

constexpr std::array kAnsibleSettings = {
    Setting{"enabled", Type::kEnabled, "false", "Which listeners serve the module."},
    Setting{"working_dir", Type::kPath, "", "Folder for the files of a run; must exist. Default: a folder of its own below the system's temporary one."},
    Setting{"ansible_environment_file", Type::kPath, "/etc/foreman-proxy/ansible.env", "Environment variables for ansible-runner.", Null::kRefused},
};
constexpr std::array kAnsibleRetired = {
    RetiredSetting{"ansible_dir", "roles are found through ansible.cfg."},
};

constexpr std::string_view kWhere = "/etc/foreman-proxy/settings.d";
constexpr std::array<std::string_view, 4> kDynflowAtReload = {"external_core", "handover_automatic", "handover_give_up", "handover_follow_up"};
constexpr std::array<std::string_view, 10> kDynflowAtNewSide = {"database", "secrets_key_file", "core_url", "core_try_timeout", "execution_plan_cleaner_age",
                                                                "backup_deleted_plans", "backup_dir", "max_running_runners", "max_running_runners_per_job",
                                                                "max_output_bytes"};
constexpr Table kDynflow{"dynflow.yml", kWhere, "Settings of the task engine and of its mode.", kDynflowSettings, {}, kDynflowAtReload, kDynflowAtNewSide};
constexpr Table kLogs{"logs.yml", kWhere, "Settings of the module that shows the last log records.", kLogsSettings};
constexpr bool kIsReadByCore = true;
constexpr Table kAnsible{"ansible.yml", kWhere, "Settings of the Ansible executor.", kAnsibleSettings, kAnsibleRetired, {}, {}, kIsReadByCore};

// What somebody meant who wrote a value that disables the module.
bool is_plainly_off(const Node& value) {
  return value.is_null() || (value.type == NodeType::kBool && !value.boolean);
}

}  // namespace

const Table& dynflow_table() { return kDynflow; }
const Table& logs_table() { return kLogs; }
const Table& ansible_table() { return kAnsible; }

Enabled enabled_of(const Node& value) {
  if (value.type == NodeType::kBool) return {value.boolean, value.boolean};
  if (value.type != NodeType::kString) return {};
  return {value.text == "http", value.text == "https"};
}

Result<ModuleSettings> load_module(const Table& table, const std::string& settings_directory, Missing missing) {
  const std::string path = fmt::format("{}/{}", settings_directory, table.file);
  std::vector<std::string> warnings;
  Node root;
  auto document = load_yaml(path);
  const bool is_file_there = document.ok() || document.error().code() != Code::kNotFound;
  if (document.ok()) {
    root = std::move(document->root);
    warnings = std::move(document->warnings);
  } else if (is_file_there) {
    return document.error();
  } else {
    warnings.push_back(fmt::format("Couldn't find settings file {}. Using default settings.", path));
  }
  auto values = Values::read(table, root, StringKeys::kIgnored, missing);
  if (!values.ok()) return values.error();
  warnings.insert(warnings.end(), values->warnings().begin(), values->warnings().end());
  const Node& switch_value = values->node("enabled");
  const Enabled enabled = enabled_of(switch_value);
  if (!enabled.is_on() && !is_plainly_off(switch_value)) {
    warnings.push_back(fmt::format("{}: :enabled: is neither true, false, http nor https and disables the module",
                                   switch_value.place()));
  }
  return ModuleSettings{path, is_file_there, enabled, std::move(*values), std::move(warnings)};
}

Result<DynflowSettings> load_dynflow(const std::string& settings_directory, Missing missing) {
  auto module = load_module(kDynflow, settings_directory, missing);
  if (!module.ok()) return module.error();
  const Values& values = module->values;
  return DynflowSettings{
      .enabled = module->enabled,
      .database = values.find_string("database"),
      .secrets_key_file = values.find_string("secrets_key_file"),
      .console_auth = values.get_bool("console_auth"),
      .core_url = values.get_string("core_url"),
      .core_timeout = std::chrono::seconds(values.get_int("core_timeout")),
      .core_try_timeout = std::chrono::seconds(values.get_int("core_try_timeout")),
      .external_core = values.find_bool("external_core"),
      .handover_automatic = values.get_bool("handover_automatic"),
      .handover_give_up = std::chrono::seconds(values.get_int("handover_give_up")),
      .handover_follow_up = std::chrono::seconds(values.get_int("handover_follow_up")),
      .execution_plan_cleaner_age = std::chrono::seconds(values.get_int("execution_plan_cleaner_age")),
      .backup_folder = settings::backup_folder(values),
      .runner_limits = runner_limits(values),
      .module = *module,
  };
}

}  // namespace dynflow::settings
