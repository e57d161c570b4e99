// The parts of a libssh session that need no event loop: options with ssh_config, the verdict on a host key, texts.
//
// Threads: the thread that owns the session.
#pragma once

#include <libssh/libssh.h>

#include <cstdint>
#include <memory>
#include <string>

#include "shared/base/result.h"

namespace dynflow::remote_execution {

struct SessionDeleter {
  void operator()(ssh_session session) const { ssh_free(session); }
};
using SessionPtr = std::unique_ptr<ssh_session_struct, SessionDeleter>;

struct ConfiguredSession {
  SessionPtr session;
  std::string host;           // after ssh_config's HostName
  std::string known_hosts;    // the user's file
  std::string proxy_command;  // empty: we connect
};

// A session with ~/.ssh/config and /etc/ssh/ssh_config applied, and over them what the job says. `strict_known_hosts` replaces the
// user's file when not empty. Errors: kInvalid (not a host name).
Result<ConfiguredSession> configure_session(const std::string& host, std::uint16_t port, const std::string& user,
                                            const std::string& strict_known_hosts);

enum class HostKey {
  kKnown,
  kNew,      // may be accepted and remembered
  kRefused,  // changed, or unknown where it has to be known
};
struct HostKeyVerdict {
  HostKey verdict = HostKey::kRefused;
  std::string text;  // why refused, as users see it; for kNew the line for known_hosts
};
HostKeyVerdict judge_host_key(ssh_session session, const std::string& host, bool is_strict);

// "user@host: Permission denied (publickey,password).": what the server would have taken.
std::string denied_text(ssh_session session, const std::string& user, const std::string& host);

}  // namespace dynflow::remote_execution
