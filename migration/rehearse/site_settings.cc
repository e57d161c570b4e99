#include "migration/rehearse/site_settings.h"

#include <fmt/format.h>

#include <filesystem>

#include "shared/core/database_choice.h"
#include "shared/settings/global.h"
#include "shared/settings/module.h"
#include "shared/settings/remote_execution_ssh.h"

namespace dynflow::migration {

namespace {

void take_dynflow(SiteSettings& site, const std::string& folder) {
  const auto dynflow = settings::load_dynflow(folder);
  if (!dynflow) {
    site.notes.push_back(fmt::format("the site's dynflow.yml is not used: {}", dynflow.error().message()));
    return;
  }
  const std::string database = dynflow->database.value_or("");
  site.is_database_file = !database.empty();
  if (core::is_postgres(database)) {
    site.notes.emplace_back("the site keeps its tasks in PostgreSQL; a rehearsal does not touch it and uses a throw-away SQLite file");
  }
  site.runner_limits = dynflow->runner_limits;
}

void take_ssh(SiteSettings& site, const std::string& folder) {
  const auto module = settings::load_module(settings::remote_execution_ssh_table(), folder);
  const auto ssh = module ? settings::remote_execution_settings(module->values) : Result<settings::RemoteExecutionSettings>(module.error());
  if (!ssh) {
    site.notes.push_back(fmt::format("the site's remote_execution_ssh.yml is not used: {}", ssh.error().message()));
    return;
  }
  site.ssh_transport = ssh->ssh_transport;
  site.cleanup_working_dirs = ssh->cleanup_working_dirs;
  if (ssh->mode != settings::RemoteExecutionMode::kSsh) {
    site.notes.emplace_back("the site's hosts pull their jobs; a rehearsal pushes them over SSH");
  }
}

}  // namespace

SiteSettings read_site(const std::string& config_dir, const std::string& root) {
  SiteSettings site;
  const std::string file = root + config_dir + "/settings.yml";
  std::error_code problem;
  if (!std::filesystem::exists(file, problem)) {
    site.notes.push_back(fmt::format("there is no {}: default settings, tasks in a file", file));
    return site;
  }
  const auto global = settings::load_global(file);
  if (!global) {
    site.notes.push_back(fmt::format("the site's settings are not used: {}", global.error().message()));
    return site;
  }
  site.source = root + config_dir;
  site.log_level = global->values.get_string("log_level");
  // What the file names is below the root, too; what it leaves to the default is there already.
  const std::string folder = (global->values.is_present("settings_directory") ? root : "") + global->settings_directory;
  take_dynflow(site, folder);
  take_ssh(site, folder);
  site.is_tls = global->has_https();
  return site;
}

}  // namespace dynflow::migration
