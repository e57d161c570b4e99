#include "shared/executors/remote_execution/job_input.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "shared/json/json.h"

namespace dynflow::remote_execution {
namespace {

constexpr std::int64_t kLargestPort = 65535;
constexpr double kLongestTimeout = 10.0 * 365 * 24 * 3600;

// Thrown and caught in this file only.
struct Wrong {
  InputError error;
};

[[noreturn]] void wrong(std::string exception_class, std::string message) {
  throw Wrong{{std::move(exception_class), std::move(message)}};
}

// Empty for null and absent members.
std::string text(const Json& object, std::string_view key) {
  const Json* member = json::find(object, key);
  if (member == nullptr || member->is_null()) return {};
  if (!member->is_string()) wrong("TypeError", fmt::format("{} has to be a string", key));
  return member->get<std::string>();
}

std::string needed_text(const Json& object, std::string_view key) {
  if (json::find(object, key) == nullptr) wrong("KeyError", fmt::format("key not found: \"{}\"", key));
  const std::string value = text(object, key);
  if (value.empty()) wrong("ArgumentError", fmt::format("{} must not be empty", key));
  return value;
}

bool flag(const Json& object, std::string_view key, bool fallback) {
  const Json* member = json::find(object, key);
  if (member == nullptr || member->is_null()) return fallback;
  if (!member->is_boolean()) wrong("TypeError", fmt::format("{} has to be true or false", key));
  return member->get<bool>();
}

// Numbers come as strings from some templates.
std::optional<double> number(const Json& object, std::string_view key) {
  const Json* member = json::find(object, key);
  if (member == nullptr || member->is_null()) return std::nullopt;
  if (member->is_number()) return member->get<double>();
  if (member->is_string()) {
    const std::string digits = member->get<std::string>();
    if (digits.empty()) return std::nullopt;
    if (digits.size() < 10 && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      return std::stod(digits);
    }
  }
  wrong("TypeError", fmt::format("{} has to be a number", key));
}

AclPolicy acl_policy(std::string_view word) {
  if (word == "require") return AclPolicy::kRequire;
  return word == "never" ? AclPolicy::kNever : AclPolicy::kPrefer;
}

Secret secret(const Json& secrets, std::string_view key) {
  return Secret(secrets.is_object() ? text(secrets, key) : std::string());
}

void refuse_lost_secrets(const Json& input, const Json& secrets) {
  const Json* stored = json::find(input, "secrets");
  if (secrets.is_object() || stored == nullptr || !stored->is_object()) return;
  for (const auto& [key, value] : stored->items()) {
    if (value.is_string() && !value.get_ref<const std::string&>().empty()) {
      wrong("RuntimeError", "the passwords of this job are gone: they are kept in memory only, and the proxy was restarted");
    }
  }
}

JobInput read(const Json& input, const Json& secrets, const settings::RemoteExecutionSettings& settings, const std::string& id) {
  refuse_lost_secrets(input, secrets);
  JobInput result;
  ScriptJob& job = result.job;
  job.connection.host = needed_text(input, "hostname");
  job.connection.user = text(input, "ssh_user");
  if (job.connection.user.empty()) job.connection.user = settings.ssh_user;
  const double port = number(input, "ssh_port").value_or(22);
  if (port < 1 || port > kLargestPort || port != std::floor(port)) wrong("ArgumentError", "ssh_port has to be from 1 to 65535");
  job.connection.port = static_cast<std::uint16_t>(port);
  job.connection.password = secret(secrets, "ssh_password");
  job.connection.passphrase = secret(secrets, "key_passphrase");
  job.connection.key_file = settings.ssh_identity_key_file;
  job.connection.forgets_host_key = flag(input, "first_execution", false);
  job.connection.connect_timeout = settings.ssh_connect_timeout;
  job.connection.retries = settings.ssh_connect_retries;
  job.kill_grace = settings.kill_grace;
  job.acl = acl_policy(settings.effective_user_acl);
  if (settings.ssh_ca_known_hosts_file) job.connection.strict_known_hosts = *settings.ssh_ca_known_hosts_file;

  if (json::find(input, "script") == nullptr) wrong("KeyError", "key not found: \"script\"");
  job.script = text(input, "script");
  std::erase(job.script, '\r');

  job.user.name = text(input, "effective_user");
  std::string method_name = text(input, "effective_user_method");
  if (method_name.empty()) method_name = "sudo";
  const Result<UserMethod> method = user_method(job.user.name, job.connection.user, method_name);
  if (!method) wrong("RuntimeError", method.error().message());
  job.user.method = *method;
  if (job.user.is_changed()) job.user.password = secret(secrets, "effective_user_password");

  job.directory.base = text(input, "remote_working_dir");
  if (job.directory.base.empty()) job.directory.base = settings.remote_working_dir;
  if (job.directory.base.find('\0') != std::string::npos || job.directory.base.find('\n') != std::string::npos) {
    wrong("ArgumentError", "remote_working_dir must not contain line ends");
  }
  while (job.directory.base.size() > 1 && job.directory.base.ends_with('/')) job.directory.base.pop_back();
  job.directory.id = id;
  job.removes_directory = flag(input, "cleanup_working_dirs", settings.cleanup_working_dirs);

  if (const auto seconds = number(input, "execution_timeout_interval"); seconds && *seconds > 0) {
    result.timeout = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(*seconds, kLongestTimeout)));
  }
  return result;
}

}  // namespace

JobInputResult read_job_input(const Json& input, const Json& secrets, const settings::RemoteExecutionSettings& settings,
                              const std::string& id) {
  try {
    return read(input, secrets, settings, id);
  } catch (const Wrong& e) {
    return e.error;
  }
}

}  // namespace dynflow::remote_execution
