#include "shared/settings/remote_execution_ssh.h"

#include <fmt/format.h>

#include <array>

namespace dynflow::settings {

namespace {

constexpr std::array kSettings = {
    Setting{"enabled", Type::kEnabled, "false", "Which listeners serve the module."},
    Setting{"ssh_identity_key_file", Type::kPath, "~/.ssh/id_rsa_foreman_proxy", "Private key; the public key, and a certificate if there is one, stand beside it.", Null::kRefused},
    Setting{"ssh_user_ca_public_key_file", Type::kPath, "", "Public key of the CA that signed the user certificate; shown at `/ssh/ca_pubkey`."},
    Setting{"ssh_ca_known_hosts_file", Type::kPath, "", "known_hosts file with `@cert-authority` lines; makes the check of host keys strict."},
    Setting{"ssh_user", Type::kString, "root", "User to log in as when a job names none.", Null::kRefused},
    Setting{"ssh_transport", Type::kWord, "auto", "How to connect; `auto` takes libssh and what it lacks through the OpenSSH client.", Null::kDefault, "auto|libssh|openssh"},
    Setting{"local_working_dir", Type::kPath, "/var/tmp", "Folder for files of a job on the proxy.", Null::kRefused},
    Setting{"remote_working_dir", Type::kPath, "/var/tmp", "Folder for files of a job on the host.", Null::kRefused},
    Setting{"socket_working_dir", Type::kPath, "/var/tmp", "Folder for control sockets of the OpenSSH client.", Null::kRefused},
    Setting{"kerberos_auth", Type::kBool, "false", "Whether Kerberos is tried, too.", Null::kRefused},
    Setting{"cockpit_integration", Type::kBool, "true", "Whether Cockpit sessions can be opened through the proxy.", Null::kRefused},
    Setting{"runner_refresh_interval", Type::kInt, "", "Seconds between two updates of a task while output comes; default: 1.", Null::kUnsets, {}, check_positive},
    Setting{"ssh_log_level", Type::kWord, "error", "How much of the SSH client's own messages is logged.", Null::kRefused, "debug|info|warn|error|fatal"},
    Setting{"cleanup_working_dirs", Type::kBool, "true", "Whether the files of a job are removed from the host.", Null::kRefused},
    Setting{"mode", Type::kWord, "ssh", "How scripts reach hosts; `ssh-async` is run as `ssh`.", Null::kRefused, "ssh|pull|pull-mqtt|ssh-async"},
    Setting{"async_ssh", Type::kBool, "false", "Older form of the mode `ssh-async`; has no effect."},
    Setting{"ssh_connect_timeout", Type::kInt, "30", "Seconds that connecting and logging in may take, an attempt.", Null::kRefused, {}, check_positive},
    Setting{"ssh_connect_retries", Type::kInt, "3", "How often a connection that is reset before the log-in is tried again.", Null::kRefused, {}, check_not_negative},
    Setting{"kill_grace", Type::kInt, "10", "Seconds between the TERM and the KILL of a job that is cancelled or timed out.", Null::kRefused, {}, check_not_negative},
    Setting{"effective_user_acl", Type::kWord, "prefer", "How another user may read the script: by ACL, by ACL or else by file modes, never by ACL.", Null::kRefused, "require|prefer|never"},
    Setting{"mqtt_broker", Type::kString, "", "Host of the MQTT broker; needed in mode `pull-mqtt`."},
    Setting{"mqtt_port", Type::kPort, "", "Its port; needed in mode `pull-mqtt`."},
    Setting{"mqtt_tls", Type::kBool, "", "Whether to use TLS to the broker; default: when certificate, key and CA are set."},
    Setting{"mqtt_rate_limit", Type::kInt, "", "How many hosts run jobs at once; default: no limit.", Null::kUnsets, {}, check_positive},
    Setting{"mqtt_resend_interval", Type::kInt, "900", "Seconds after which a host that did not answer is notified again.", Null::kRefused, {}, check_positive},
    Setting{"mqtt_ttl", Type::kInt, "5", "Seconds that a host has to pick up a job before the next one gets its turn.", Null::kRefused, {}, check_positive},
};

constexpr bool kIsReadByCore = true;
constexpr Table kTable{"remote_execution_ssh.yml", "/etc/foreman-proxy/settings.d", "Settings of the script executor.", kSettings, {}, {}, {}, kIsReadByCore};

}  // namespace

const Table& remote_execution_ssh_table() { return kTable; }

Result<RemoteExecutionSettings> remote_execution_settings(const Values& values) {
  RemoteExecutionSettings out;
  out.ssh_identity_key_file = values.get_string("ssh_identity_key_file");
  out.ssh_user_ca_public_key_file = values.find_string("ssh_user_ca_public_key_file");
  out.ssh_ca_known_hosts_file = values.find_string("ssh_ca_known_hosts_file");
  out.ssh_user = values.get_string("ssh_user");
  out.ssh_transport = values.get_string("ssh_transport");
  out.local_working_dir = values.get_string("local_working_dir");
  out.remote_working_dir = values.get_string("remote_working_dir");
  out.socket_working_dir = values.get_string("socket_working_dir");
  out.kerberos_auth = values.get_bool("kerberos_auth");
  out.cockpit_integration = values.get_bool("cockpit_integration");
  out.runner_refresh_interval = std::chrono::seconds(values.find_int("runner_refresh_interval").value_or(1));
  out.ssh_log_level = values.get_string("ssh_log_level");
  out.cleanup_working_dirs = values.get_bool("cleanup_working_dirs");
  out.ssh_connect_timeout = std::chrono::seconds(values.get_int("ssh_connect_timeout"));
  out.ssh_connect_retries = static_cast<int>(values.get_int("ssh_connect_retries"));
  out.kill_grace = std::chrono::seconds(values.get_int("kill_grace"));
  out.effective_user_acl = values.get_string("effective_user_acl");
  out.mqtt_broker = values.find_string("mqtt_broker");
  if (const auto port = values.find_int("mqtt_port")) out.mqtt_port = static_cast<std::uint16_t>(*port);
  out.mqtt_tls = values.find_bool("mqtt_tls");
  out.mqtt_rate_limit = values.find_int("mqtt_rate_limit");
  out.mqtt_resend_interval = std::chrono::seconds(values.get_int("mqtt_resend_interval"));
  out.mqtt_ttl = std::chrono::seconds(values.get_int("mqtt_ttl"));

  const std::string mode = values.get_string("mode");
  if (mode == "pull") out.mode = RemoteExecutionMode::kPull;
  if (mode == "pull-mqtt") out.mode = RemoteExecutionMode::kPullMqtt;
  if (out.mode == RemoteExecutionMode::kPullMqtt && (!out.mqtt_broker || !out.mqtt_port)) {
    return Error(Code::kInvalid, fmt::format("{}: mode pull-mqtt needs :mqtt_broker: and :mqtt_port:", values.place("mode")));
  }
  const bool is_async_mode = mode == "ssh-async";
  out.is_async_requested = is_async_mode || values.get_bool("async_ssh");
  if (out.is_async_requested) {
    const std::string_view key = is_async_mode ? "mode" : "async_ssh";
    out.warnings.push_back(fmt::format("{}: asynchronous ssh no longer exists, jobs run in mode ssh", values.place(key)));
  }
  return out;
}

}  // namespace dynflow::settings
