#include "proxy/configuration.h"

#include <fmt/format.h>

#include <numeric>
#include <system_error>

#include "proxy/host/version.h"
#include "shared/log/log.h"
#include "shared/settings/remote_execution_ssh.h"

namespace dynflow::proxy {
namespace {

ExternalCore external_core_of(const std::optional<bool>& setting) {
  if (!setting) return ExternalCore::kUnset;
  return *setting ? ExternalCore::kTrue : ExternalCore::kFalse;
}

}  // namespace

std::vector<std::string> Configuration::warnings() const {
  std::vector<std::string> all = global.warnings;
  for (const settings::ModuleSettings* module : modules()) {
    all.insert(all.end(), module->warnings.begin(), module->warnings.end());
  }
  return all;
}

std::vector<std::string> Configuration::new_failures(const Configuration& before) const {
  std::vector<std::string> all;
  const auto ours = modules();
  const auto theirs = before.modules();
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (auto failure = ours[i]->failure(); failure && !theirs[i]->failure()) all.push_back(*std::move(failure));
  }
  return all;
}

std::vector<const settings::ModuleSettings*> Configuration::modules() const { return {&dynflow.module, &logs, &remote_execution_ssh, &ansible}; }

std::vector<const settings::Values*> Configuration::tables() const {
  std::vector<const settings::Values*> all{&global.values};
  for (const settings::ModuleSettings* module : modules()) all.push_back(&module->values);
  return all;
}

Result<Configuration> load_configuration(const std::filesystem::path& folder) {
  auto global = settings::load_global((folder / "settings.yml").string());
  if (!global) return global.error();
  const std::string& modules = global->settings_directory;
  auto dynflow = settings::load_dynflow(modules, settings::Missing::kNoted);
  if (!dynflow) return dynflow.error();
  auto logs = settings::load_module(settings::logs_table(), modules, settings::Missing::kNoted);
  if (!logs) return logs.error();
  auto ssh = settings::load_module(settings::remote_execution_ssh_table(), modules, settings::Missing::kNoted);
  if (!ssh) return ssh.error();
  auto ansible = settings::load_module(settings::ansible_table(), modules, settings::Missing::kNoted);
  if (!ansible) return ansible.error();
  return Configuration{*std::move(global), *std::move(dynflow), *std::move(logs), *std::move(ssh), *std::move(ansible)};
}

TrustPolicy trust_policy(const Configuration& configuration) {
  return {configuration.global.trusted_hosts, configuration.global.forward_verify};
}

TrustPolicy metrics_policy(const Configuration& configuration) {
  return {configuration.global.metrics_hosts, configuration.global.forward_verify};
}

Duration resolver_limit(const Configuration& configuration) {
  const auto& timeouts = configuration.global.dns_resolv_timeouts;
  const double seconds = std::accumulate(timeouts.begin(), timeouts.end(), 0.0);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

net::TlsServerOptions tls_options(const Configuration& configuration) {
  const settings::GlobalSettings& global = configuration.global;
  net::TlsServerOptions options;
  options.certificate_file = global.ssl_certificate.value_or("");
  options.key_file = global.ssl_private_key.value_or("");
  options.ca_file = global.ssl_ca_file.value_or("");
  options.disabled_ciphers = global.ssl_disabled_ciphers;
  options.disabled_versions = global.tls_disabled_versions;
  return options;
}

Result<DynflowOptions> dynflow_options(const Configuration& configuration, std::filesystem::path executable_folder) {
  const settings::GlobalSettings& global = configuration.global;
  const settings::DynflowSettings& dynflow = configuration.dynflow;
  DynflowOptions options;
  options.enabled = dynflow.enabled;
  options.failure = dynflow.module.failure();
  options.external_core = external_core_of(dynflow.external_core);
  options.executable_folder = std::move(executable_folder);
  options.hand_over = {dynflow.handover_automatic, dynflow.handover_give_up, dynflow.handover_follow_up};
  std::error_code ignored;
  if (std::filesystem::is_directory(global.state_directory, ignored)) {
    options.mode_file = std::filesystem::path(global.state_directory) / "mode.json";
  } else if (dynflow.enabled.is_on()) {
    log::info({}, "The mode is not remembered across restarts: there is no folder {}", global.state_directory);
  }

  auto core = parse_core_url(dynflow.core_url);
  if (!core) return core.error().in(dynflow.module.values.place("core_url") + ": :core_url:");
  options.relay.core = *std::move(core);
  options.relay.try_timeout = dynflow.core_try_timeout;
  options.relay.tls = {global.foreman_ssl_ca.value_or(""), global.foreman_ssl_cert.value_or(""),
                       global.foreman_ssl_key.value_or("")};

  options.core.database = dynflow.database.value_or("");
  options.core.secrets_key_file = dynflow.secrets_key_file.value_or("");
  options.core.console_auth = dynflow.console_auth;
  options.core.cleaner_age = dynflow.execution_plan_cleaner_age;
  options.core.backup_folder = dynflow.backup_folder;
  options.core.runner_limits = dynflow.runner_limits;
  options.core.foreman = {global.foreman_url.value_or(""), global.foreman_ssl_ca.value_or(""),
                          global.foreman_ssl_cert.value_or(""), global.foreman_ssl_key.value_or("")};
  options.core.settings_directories = {global.settings_directory};
  options.core.log_level = log::to_string(global.log_level);

  // `script` is the feature's name today, `ssh` its name before Foreman 3.3: both, so that every Foreman finds one.
  options.executors = {
      {"remote_execution_ssh", "foreman_remote_execution_core.so", {"script", "ssh"}, "1.0.1",
       configuration.remote_execution_ssh.enabled, configuration.remote_execution_ssh.failure()},
      {"ansible", "foreman_ansible_core.so", {"ansible"}, "3.7.1", configuration.ansible.enabled, configuration.ansible.failure()}};
  return options;
}

Result<ScriptOptions> script_options(const Configuration& configuration) {
  const settings::ModuleSettings& module = configuration.remote_execution_ssh;
  auto settings = settings::remote_execution_settings(module.values);
  if (!settings) return settings.error();
  ScriptOptions options;
  if (!module.failure()) options.enabled = module.enabled;
  options.public_key_file = settings->ssh_identity_key_file + ".pub";
  options.ca_public_key_file = settings->ssh_user_ca_public_key_file.value_or("");
  return options;
}

Feature logs_feature(const Configuration& configuration) {
  Feature row;
  row.name = "logs";
  row.version = kHostVersion;
  row.is_on_http = configuration.logs.enabled.http;
  row.is_on_https = configuration.logs.enabled.https;
  row.state = configuration.logs.enabled.is_on() ? ModuleState::kRunning : ModuleState::kDisabled;
  return row;
}

}  // namespace dynflow::proxy
