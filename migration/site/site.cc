#include "migration/site/site.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

#include "shared/base/executable.h"
#include "shared/base/file.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kLibrary = "libdynflow_core.so.1";
constexpr std::array kLibraryFolders = {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"};
// The switch file by which the Ruby proxy loads its core (theforeman/foreman-packaging 7562c1174).
constexpr std::string_view kRubySwitch = "/usr/share/foreman-proxy/bundler.d/smart_proxy_dynflow_core.rb";
constexpr std::array kLeftovers = {
    "/etc/smart_proxy_dynflow_core/settings.yml", "/etc/smart_proxy_dynflow_core/settings.yml.dynflow-migrate.bak", "/etc/smart_proxy_dynflow_core/settings.d", "/etc/smart_proxy_dynflow_core",
    "/etc/systemd/system/smart_proxy_dynflow_core.service.d", "/etc/systemd/system/multi-user.target.wants/smart_proxy_dynflow_core.service",
    "/etc/sysconfig/smart_proxy_dynflow_core", "/etc/default/smart_proxy_dynflow_core", "/etc/logrotate.d/smart_proxy_dynflow_core",
    "/var/run/foreman-proxy/smart_proxy_dynflow_core.pid", "/var/log/foreman-proxy/smart_proxy_dynflow_core.log"};

constexpr std::string_view kMask = "/etc/systemd/system/smart_proxy_dynflow_core.service";
constexpr std::array kUnitFolders = {"/usr/lib/systemd/system", "/lib/systemd/system"};  // of packages

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

// Nothing when it is not there, or cannot be read: then that is a warning.
std::optional<std::string> text_in(Site& site, const std::string& path) {
  auto text = read_file(site.layout.real(path));
  if (text.ok()) return *std::move(text);
  if (text.error().code() != Code::kNotFound) site.warnings.push_back(site_path(site.layout, text.error().message()));
  return std::nullopt;
}

// NAME=value lines as systemd reads EnvironmentFile=, without its line continuations.
void read_environment(Site& site, std::string_view unit) {
  for (const char* folder : {"/etc/sysconfig", "/etc/default"}) {
    const std::string path = fmt::format("{}/{}", folder, unit);
    const auto text_of_file = text_in(site, path);
    if (!text_of_file) continue;
    std::istringstream file(*text_of_file);
    site.environment_file[std::string(unit)] = path;
    std::string line;
    while (std::getline(file, line)) {
      const std::string text = trimmed(line);
      const auto equals = text.find('=');
      if (text.empty() || text[0] == '#' || text[0] == ';' || equals == std::string::npos) continue;
      std::string value = text.substr(equals + 1);
      if (value.size() > 1 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0]) value = value.substr(1, value.size() - 2);
      site.environment[std::string(unit)][text.substr(0, equals)] = value;
    }
  }
}

void read_drop_ins(Site& site, std::string_view unit) {
  const std::string folder = fmt::format("/etc/systemd/system/{}.service.d", unit);
  std::vector<fs::path> files;
  std::error_code failure;
  for (fs::directory_iterator entry(site.layout.real(folder), failure), end; !failure && entry != end; entry.increment(failure)) {
    if (entry->path().extension() == ".conf") files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& path : files) {
    const auto text_of_file = text_in(site, fmt::format("{}/{}", folder, path.filename().string()));
    if (!text_of_file) continue;
    std::istringstream file(*text_of_file);
    std::string line;
    while (std::getline(file, line)) {
      const std::string text = trimmed(line);
      if (text.empty() || text[0] == '#' || text[0] == ';' || text[0] == '[') continue;
      site.drop_ins[std::string(unit)].push_back(fmt::format("{}/{}: {}", folder, path.filename().string(), text));
    }
  }
}

void find_core(Site& site) {
  std::vector<fs::path> candidates;
  if (site.layout.is_live()) {
    if (const char* chosen = std::getenv("DYNFLOW_CORE_LIBRARY")) candidates.emplace_back(chosen);
    candidates.push_back(executable_path().parent_path().parent_path() / "lib" / kLibrary);
  }
  for (const char* folder : kLibraryFolders) candidates.push_back(site.layout.real(folder) / kLibrary);
  candidates.push_back(site.layout.real(kRubySwitch));
  site.core = site.layout.has_programs() ? Loadable::kNo : Loadable::kUnknown;
  for (const fs::path& path : candidates) {
    if (!is_there(path)) continue;
    site.core = Loadable::kYes;
    site.core_library = site_path(site.layout, path.string());
    return;
  }
}

// The unit's mask outlives the unit. While there is one it has to stay.
bool is_mask_of_nothing(const Layout& layout) {
  std::error_code ignored;
  if (fs::read_symlink(layout.real(kMask), ignored) != "/dev/null") return false;
  return std::none_of(kUnitFolders.begin(), kUnitFolders.end(), [&](const char* folder) { return is_there(layout.real(folder) / fs::path(kMask).filename()); });
}

SettingsFolder folder_kind(const fs::path& path) {
  std::error_code ignored;
  if (!is_there(path)) return SettingsFolder::kMissing;
  if (!fs::is_symlink(path, ignored)) return SettingsFolder::kFolder;
  return fs::is_directory(path, ignored) ? SettingsFolder::kLink : SettingsFolder::kDangling;
}

void add_all(std::vector<std::string>& to, const Layout& layout, const std::vector<std::string>& from) {
  for (const std::string& each : from) to.push_back(site_path(layout, each));
}

void read_proxy(Site& site) {
  const Layout& layout = site.layout;
  site.settings_file = layout.proxy_config + "/settings.yml";
  std::string folder = layout.proxy_config + "/settings.d";
  auto global = settings::load_global(layout.real(site.settings_file).string());
  if (global.ok()) {
    if (global->values.is_present("settings_directory")) folder = global->settings_directory;
    add_all(site.warnings, layout, global->warnings);
    site.global = *std::move(global);
  } else if (global.error().code() == Code::kNotFound) {
    site.warnings.push_back(site.settings_file + ": there is no such file");
  } else {
    site.problems.push_back(site_path(layout, global.error().message()));
  }
  site.dynflow_file = folder + "/dynflow.yml";
  auto dynflow = settings::load_dynflow(layout.real(folder).string());
  if (dynflow.ok()) {
    add_all(site.warnings, layout, dynflow->module.warnings);
    site.dynflow = *std::move(dynflow);
  } else {
    site.problems.push_back(site_path(layout, dynflow.error().message()));
  }
}

void read_sidecar(Site& site) {
  const Layout& layout = site.layout;
  site.sidecar_file = layout.sidecar_config + "/settings.yml";
  const fs::path folder = layout.real(layout.sidecar_config);
  std::error_code failure;
  if (!fs::exists(layout.real(site.sidecar_file), failure) && failure == std::errc::permission_denied) {
    site.problems.push_back(fmt::format("cannot look into {}: {}", layout.sidecar_config, failure.message()));
  }
  site.has_sidecar_file = is_there(layout.real(site.sidecar_file));
  site.sidecar_folder = folder_kind(folder / "settings.d");
  if (!site.has_sidecar_file) return;
  settings::CoreServiceOptions options;
  options.search_path = {folder.string()};
  auto sidecar = settings::load_core_service(options);
  if (sidecar.ok()) {
    add_all(site.warnings, layout, sidecar->warnings);
    site.sidecar = *std::move(sidecar);
  } else {
    site.problems.push_back(site_path(layout, sidecar.error().message()));
  }
}

Database database_of(const Site& site, std::string_view unit, const std::string& value, const std::string& place) {
  const auto variables = site.environment.find(unit);
  if (variables != site.environment.end()) {
    const auto found = variables->second.find("DYNFLOW_DB_CONN_STRING");
    if (found != variables->second.end() && !found->second.empty()) {
      std::string text = found->second;
      if (text.starts_with("sqlite://")) text.erase(0, 9);  // Sequel's form of a file
      return {text, site.environment_file.find(unit)->second};
    }
  }
  return {value, site_path(site.layout, place)};
}

void read_mode(Site& site) {
  std::ifstream file(site.layout.real(site.state_directory()) / "mode.json");
  std::string text;
  if (!file || !std::getline(file, text, '\0')) return;
  if (const auto document = json::parse(text); document.ok() && document->is_object()) site.saved_mode = json::get_string(*document, "state");
}

}  // namespace

bool is_closed(std::string_view text) { return text.find(std::generic_category().message(EACCES)) != std::string_view::npos; }

std::string site_path(const Layout& layout, const std::string& path) {
  if (layout.is_live()) return path;
  std::string text = path;
  const std::string root = layout.root.string();
  for (auto at = text.find(root); at != std::string::npos; at = text.find(root)) text.erase(at, root.size());
  return text;
}

std::string Site::external_core_place() const {
  return dynflow ? site_path(layout, dynflow->module.values.place("external_core")) : "default";
}

std::string Site::state_directory() const { return global ? global->state_directory : "/var/lib/foreman-proxy"; }

Site read_site(const Layout& layout, Services& services) {
  Site site;
  site.layout = layout;
  read_proxy(site);
  read_sidecar(site);
  find_core(site);
  site.is_red_hat = is_there(layout.real("/etc/sysconfig")) || is_there(layout.real("/etc/redhat-release"));
  for (const std::string_view unit : {kProxyUnit, kSidecarUnit}) {
    read_environment(site, unit);
    read_drop_ins(site, unit);
    const auto state = services.state(unit);
    if (!state) site.warnings.push_back(state.error().message());
    (unit == kProxyUnit ? site.proxy_unit : site.sidecar_unit) = state.ok() ? *state : UnitState{};
  }
  for (const char* path : kLeftovers) {
    if (is_there(layout.real(path))) site.leftovers.emplace_back(path);
  }
  if (is_mask_of_nothing(layout)) site.leftovers.emplace_back(kMask);
  if (site.dynflow) {
    site.proxy_database = database_of(site, kProxyUnit, site.dynflow->database.value_or(""), site.dynflow->module.values.place("database"));
  }
  if (site.sidecar) site.sidecar_database = database_of(site, kSidecarUnit, site.sidecar->database, site.sidecar->values.place("database"));
  if (site.sidecar && layout.is_live()) site.core_port_owner = listener_on(site.sidecar->port);
  read_mode(site);
  return site;
}

}  // namespace dynflow::migration
