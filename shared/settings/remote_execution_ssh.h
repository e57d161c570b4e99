// remote_execution_ssh.yml: what the proxy and the standalone core read alike.
//
// Threads: values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/settings/module.h"

namespace dynflow::settings {

const Table& remote_execution_ssh_table();

enum class RemoteExecutionMode { kSsh, kPull, kPullMqtt };

struct RemoteExecutionSettings {
  std::string ssh_identity_key_file;
  std::optional<std::string> ssh_user_ca_public_key_file;
  std::optional<std::string> ssh_ca_known_hosts_file;
  std::string ssh_user;
  std::string ssh_transport;  // auto, libssh, openssh
  std::string local_working_dir;
  std::string remote_working_dir;
  std::string socket_working_dir;
  bool kerberos_auth = false;
  bool cockpit_integration = true;
  std::chrono::seconds runner_refresh_interval{1};
  std::string ssh_log_level;
  bool cleanup_working_dirs = true;
  RemoteExecutionMode mode = RemoteExecutionMode::kSsh;
  // Old files ask for ssh-async (or :async_ssh: true), which is run as ssh; there is a warning.
  bool is_async_requested = false;
  std::chrono::seconds ssh_connect_timeout{30};
  int ssh_connect_retries = 3;
  std::chrono::seconds kill_grace{10};
  std::string effective_user_acl;  // require, prefer, never
  std::optional<std::string> mqtt_broker;  // there, with the port, in mode kPullMqtt
  std::optional<std::uint16_t> mqtt_port;
  std::optional<bool> mqtt_tls;                // nothing: when certificate, key and CA are known
  std::optional<std::int64_t> mqtt_rate_limit;  // nothing: none
  std::chrono::seconds mqtt_resend_interval{900};
  std::chrono::seconds mqtt_ttl{5};
  std::vector<std::string> warnings;  // of this step only
};

// From what load_module or CoreServiceSettings::bag gave for remote_execution_ssh_table(). kInvalid: mode pull-mqtt
// without broker or port.
Result<RemoteExecutionSettings> remote_execution_settings(const Values& values);

}  // namespace dynflow::settings
