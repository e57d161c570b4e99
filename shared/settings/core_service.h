// Settings of the standalone core (smart_proxy_dynflow_core 0.3.3, lib/smart_proxy_dynflow_core/{launcher,settings}.rb).
//
// Threads: values.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/log/setup.h"
#include "shared/settings/connection_limits.h"
#include "shared/settings/runner_limits.h"
#include "shared/settings/schema.h"

namespace dynflow::settings {

const Table& core_service_table();

struct CoreServiceOptions {
  std::optional<std::string> config_dir = std::nullopt;  // --config-dir
  bool is_one_config = false;             // --one-config: only the last folder that exists is read
  std::vector<std::string> search_path = {"/etc/smart_proxy_dynflow_core", "~/.config/smart_proxy_dynflow_core"};
};

struct CoreServiceSettings {
  std::string database;  // empty: in memory; DYNFLOW_DB_CONN_STRING comes first
  std::optional<std::string> secrets_key_file;  // nothing: secrets are in memory only
  std::string foreman_url;
  bool console_auth = true;
  std::string listen;  // "*": all addresses
  std::uint16_t port = 8008;
  bool use_https = false;
  std::optional<std::string> ssl_ca_file;
  std::optional<std::string> ssl_certificate;
  std::optional<std::string> ssl_private_key;
  std::vector<std::string> ssl_disabled_ciphers;
  std::vector<std::string> tls_disabled_versions;
  // Each falls back on its own to the service's.
  std::optional<std::string> foreman_ssl_ca;
  std::optional<std::string> foreman_ssl_cert;
  std::optional<std::string> foreman_ssl_key;
  std::vector<std::string> proxy_names;  // with keys or names the proxy is not known by a serial number
  std::vector<std::string> proxy_keys;   // sha256//BASE64
  ConnectionLimits connection_limits;
  std::string log_file;
  log::Level log_level = log::Level::kError;
  std::string pid_file;
  bool is_daemonized = false;
  std::chrono::seconds execution_plan_cleaner_age{86400};
  std::string backup_folder;  // of tasks that the cleaner removes; empty: they are not kept
  RunnerLimits runner_limits;

  std::vector<std::string> directories;  // that were read, in this order; later ones won
  Values values;
  std::vector<std::string> warnings;

  log::Options log_options() const;
  // What settings.d says for the file that `table` names, under any of its names; the defaults when nothing does.
  // :enabled: means nothing here. Errors: those of load_yaml and Values::read.
  Result<Values> bag(const Table& table) const;

  struct Bag {
    Node root;                   // merged over all folders
    std::optional<Error> error;  // a file could not be read; matters to those who ask for the bag
  };
  std::map<std::string, Bag> bags;  // by file name without .yml
};

// Reads settings.yml and settings.d/*.yml of each folder that exists: the search path, then `config_dir`; later ones
// win key by key. No folder and no file: the defaults, with a warning. Errors: those of load_yaml and Values::read.
Result<CoreServiceSettings> load_core_service(const CoreServiceOptions& options);

}  // namespace dynflow::settings
