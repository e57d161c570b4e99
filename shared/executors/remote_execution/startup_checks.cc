#include "shared/executors/remote_execution/startup_checks.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>

namespace dynflow::remote_execution {
namespace {

constexpr std::size_t kLongestSocketPath = 49;
// WARN and UNKNOWN of the proxy have no word of upstream's; upstream died on them.
constexpr std::array<std::string_view, 6> kLevels = {"debug", "info", "warn", "error", "fatal", "unknown"};

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::optional<std::size_t> rank(std::string level) {
  std::transform(level.begin(), level.end(), level.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto found = std::find(kLevels.begin(), kLevels.end(), level);
  if (found == kLevels.end()) return std::nullopt;
  return static_cast<std::size_t>(found - kLevels.begin());
}

Status check_files(const settings::RemoteExecutionSettings& settings) {
  const std::string key = settings.ssh_identity_key_file;
  if (!exists(key)) {
    return Error(Code::kInvalid, fmt::format("SSH private key file {} doesn't exist.\nYou can generate one with `ssh-keygen -t "
                                             "rsa -b 4096 -f {} -N ''`",
                                             key, key));
  }
  if (!exists(key + ".pub")) return Error(Code::kInvalid, fmt::format("SSH public key file {}.pub doesn't exist", key));
  if (settings.ssh_user_ca_public_key_file && !settings.ssh_user_ca_public_key_file->empty()) {
    const std::string ca = *settings.ssh_user_ca_public_key_file;
    if (!exists(ca)) return Error(Code::kInvalid, fmt::format("SSH CA public key file '{}' doesn't exist", ca));
    if (!exists(key + "-cert.pub")) {
      return Error(Code::kInvalid, fmt::format("SSH certificate file '{}-cert.pub' doesn't exist", key));
    }
  }
  if (settings.ssh_ca_known_hosts_file && !settings.ssh_ca_known_hosts_file->empty()) {
    const std::string known = *settings.ssh_ca_known_hosts_file;
    if (!exists(known)) return Error(Code::kInvalid, fmt::format("SSH CA known hosts file '{}' doesn't exist", known));
  }
  return {};
}

}  // namespace

Status check_settings(const settings::RemoteExecutionSettings& settings, const std::string& log_level) {
  // Better no feature than jobs that go another way than the administrator asked for.
  if (settings.mode != settings::RemoteExecutionMode::kSsh) {
    return Error(Code::kInvalid, "mode pull and pull-mqtt are not available in this version, use mode ssh");
  }
  if (settings.ssh_transport == "openssh") {
    return Error(Code::kInvalid, "ssh_transport openssh is not available in this version, use auto or libssh");
  }
  if (Status files = check_files(settings); !files) return files;
  const auto wanted = rank(settings.ssh_log_level);
  const auto hosting = rank(log_level);
  if (wanted && hosting && *wanted < *hosting) {
    return Error(Code::kInvalid, "ssh_log_level cannot be more verbose than regular log level");
  }
  const std::string path = settings.socket_working_dir;
  if (path.size() > kLongestSocketPath) return Error(Code::kInvalid, fmt::format("Socket path {} is too long", path));
  return {};
}

}  // namespace dynflow::remote_execution
