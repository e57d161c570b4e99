// The proxy's settings.yml (smart-proxy 3.11, lib/proxy/settings/global.rb).
//
// Threads: values.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/log/setup.h"
#include "shared/settings/connection_limits.h"
#include "shared/settings/schema.h"

namespace dynflow::settings {

const Table& global_table();

struct GlobalSettings {
  std::string settings_directory;  // default: settings.d beside the file
  std::optional<std::string> ssl_certificate;
  std::optional<std::string> ssl_private_key;
  std::optional<std::string> ssl_ca_file;
  std::vector<std::string> ssl_disabled_ciphers;
  std::vector<std::string> tls_disabled_versions;         // "1.1", also when the file has the float 1.1
  std::optional<std::vector<std::string>> trusted_hosts;  // nothing: no host check; empty: nobody
  std::vector<std::string> metrics_hosts;                 // may read /metrics besides
  bool forward_verify = true;
  std::optional<std::string> foreman_url;  // ends with a slash
  // Each falls back on its own to the proxy's.
  std::optional<std::string> foreman_ssl_ca;
  std::optional<std::string> foreman_ssl_cert;
  std::optional<std::string> foreman_ssl_key;
  std::vector<std::string> bind_host;
  std::optional<std::uint16_t> http_port;  // nothing: no http listener
  std::uint16_t https_port = 8443;
  ConnectionLimits connection_limits;
  std::string log_file;
  log::Level log_level = log::Level::kInfo;
  std::uint64_t file_rolling_size_mib = 0;
  std::string file_rolling_age;
  std::uint64_t file_rolling_keep = 6;
  std::string file_logging_pattern;
  std::string system_logging_pattern;
  std::size_t log_buffer = 2000;
  std::size_t log_buffer_errors = 1000;
  std::vector<double> dns_resolv_timeouts;  // seconds
  std::string state_directory;
  std::chrono::seconds shutdown_grace{10};

  Values values;  // where each stands
  std::vector<std::string> warnings;

  // All three files are named.
  bool has_https() const { return ssl_certificate && ssl_private_key && ssl_ca_file; }
  log::Options log_options(std::shared_ptr<log::Buffer> buffer) const;
};

// `path`: the file. Errors: those of load_yaml and of Values::read; kInvalid for an empty file, which upstream does not survive either.
Result<GlobalSettings> load_global(const std::string& path);

}  // namespace dynflow::settings
