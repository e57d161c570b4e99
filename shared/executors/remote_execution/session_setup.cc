#include "shared/executors/remote_execution/session_setup.h"

#include <fmt/core.h>

#include <cstdlib>

#include "shared/executors/remote_execution/key_store.h"
#include "shared/settings/schema.h"

namespace dynflow::remote_execution {
namespace {

std::string option(ssh_session session, ssh_options_e which) {
  char* value = nullptr;
  if (ssh_options_get(session, which, &value) != SSH_OK || value == nullptr) return {};
  std::string text(value);
  ssh_string_free_char(value);
  return text;
}

std::string key_name(ssh_session session) {
  ssh_key key = nullptr;
  if (ssh_get_server_publickey(session, &key) != SSH_OK) return "unknown";
  const KeyPtr owned(key);
  std::string name = ssh_key_type_to_char(ssh_key_type(key));
  unsigned char* hash = nullptr;
  std::size_t size = 0;
  if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) == SSH_OK) {
    if (char* text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size); text != nullptr) {
      name += fmt::format(" {}", text);
      ssh_string_free_char(text);
    }
    ssh_clean_pubkey_hash(&hash);
  }
  return name;
}

}  // namespace

Result<ConfiguredSession> configure_session(const std::string& host, std::uint16_t port, const std::string& user,
                                            const std::string& strict_known_hosts) {
  ConfiguredSession configured;
  configured.session.reset(ssh_new());
  ssh_session session = configured.session.get();
  if (session == nullptr) return Error(Code::kFailed, "out of memory");
  // libssh asks the password database; everything else of the proxy, and tests, go by HOME.
  const std::string home = settings::expand_home("~");
  if (home.starts_with('/')) ssh_options_set(session, SSH_OPTIONS_SSH_DIR, (home + "/.ssh").c_str());
  if (ssh_options_set(session, SSH_OPTIONS_HOST, host.c_str()) != SSH_OK) {
    return Error(Code::kInvalid, fmt::format("hostname contains invalid characters: {}", host));
  }
  // A broken configuration file is logged by libssh and read as far as it goes.
  ssh_options_parse_config(session, nullptr);
  bool is_off = false;
  ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &is_off);
  ssh_options_set(session, SSH_OPTIONS_USER, user.c_str());
  unsigned int number = port;
  ssh_options_set(session, SSH_OPTIONS_PORT, &number);
  if (!strict_known_hosts.empty()) {
    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, strict_known_hosts.c_str());
    ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
  } else if (option(session, SSH_OPTIONS_KNOWNHOSTS).empty()) {
    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, (home + "/.ssh/known_hosts").c_str());
  }
  configured.host = option(session, SSH_OPTIONS_HOST);
  configured.known_hosts = settings::expand_home(option(session, SSH_OPTIONS_KNOWNHOSTS));
  configured.proxy_command = option(session, SSH_OPTIONS_PROXYCOMMAND);
  if (configured.proxy_command == "none") configured.proxy_command.clear();
  return configured;
}

HostKeyVerdict judge_host_key(ssh_session session, const std::string& host, bool is_strict) {
  const auto refused = [](std::string text) {
    return HostKeyVerdict{HostKey::kRefused, std::move(text) + "\r\nHost key verification failed.\r\n"};
  };
  switch (ssh_session_is_known_server(session)) {
    case SSH_KNOWN_HOSTS_OK: return {HostKey::kKnown, {}};
    case SSH_KNOWN_HOSTS_CHANGED:
    // Stricter than OpenSSH, which takes a key of another type as new: somebody in between could offer just that.
    case SSH_KNOWN_HOSTS_OTHER:
      return refused(fmt::format("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\r\nThe key sent by {} is {}; "
                                 "another one is known for this host.",
                                 host, key_name(session)));
    case SSH_KNOWN_HOSTS_NOT_FOUND:
    case SSH_KNOWN_HOSTS_UNKNOWN: {
      if (is_strict) {
        return refused(fmt::format("No host key is known for {} (it sent {}) and you have requested strict checking. "
                                   "Host certificates are not supported by this transport.",
                                   host, key_name(session)));
      }
      char* line = nullptr;
      if (ssh_session_export_known_hosts_entry(session, &line) != SSH_OK || line == nullptr) {
        return refused(ssh_get_error(session));
      }
      HostKeyVerdict verdict{HostKey::kNew, line};
      ssh_string_free_char(line);
      return verdict;
    }
    case SSH_KNOWN_HOSTS_ERROR: break;
  }
  return refused(ssh_get_error(session));
}

std::string denied_text(ssh_session session, const std::string& user, const std::string& host) {
  const int offered = ssh_userauth_list(session, nullptr);
  std::string methods;
  const auto add = [&](int bit, std::string_view name) {
    if ((offered & bit) == 0) return;
    if (!methods.empty()) methods += ',';
    methods += name;
  };
  add(SSH_AUTH_METHOD_PUBLICKEY, "publickey");
  add(SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi-with-mic");
  add(SSH_AUTH_METHOD_PASSWORD, "password");
  add(SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive");
  add(SSH_AUTH_METHOD_HOSTBASED, "hostbased");
  return fmt::format("{}@{}: Permission denied ({}).\r\n", user, host, methods);
}

}  // namespace dynflow::remote_execution
