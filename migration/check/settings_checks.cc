#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "migration/check/checks.h"
#include "migration/check/readable_by.h"
#include "migration/config/unit_drop_in.h"
#include "migration/site/executors.h"
#include "migration/site/host_name.h"
#include "migration/site/services.h"
#include "shared/base/executable.h"
#include "shared/base/url_text.h"
#include "shared/callback/foreman_client.h"
#include "shared/persistence/postgres/stored_version.h"

namespace dynflow::migration {

namespace {

void add(const Check& check, std::vector<Finding>& findings, std::string seen, std::string mend) {
  findings.push_back({check.id, check.severity, std::move(seen), check.why, std::move(mend)});
}

bool is_file(const std::string& database) { return !database.empty() && database.find("://") == std::string::npos; }

void settings_parse(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const auto mend_of = [](const std::string& text, const char* other) {
    if (is_closed(text)) return "run it as root";
    const bool is_missing = text.find("there is no such file") != std::string::npos || text.find("Couldn't find settings file") != std::string::npos;
    return is_missing ? "name its folder with --config-dir, if it is elsewhere" : other;
  };
  for (const std::string& problem : input.site.problems) add(check, findings, problem, mend_of(problem, "edit the line that is named"));
  for (const std::string& warning : input.site.warnings) {
    findings.push_back({check.id, Severity::kWarning, warning, check.why, mend_of(warning, "remove or correct the line; nothing depends on it")});
  }
}

void external_core_is_boolean(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  for (const std::string& problem : input.site.problems) {
    if (problem.find("external_core") != std::string::npos) add(check, findings, problem, "dynflow-migrate config set external_core true, or false");
  }
  for (const std::string& warning : input.site.warnings) {
    if (warning.find("external_core") != std::string::npos) add(check, findings, warning, "keep one line of :external_core:");
  }
}

// That the file is there does not say that it can be used.
void library_is_loadable(const Check& check, const std::string& library, std::vector<Finding>& findings) {
  const auto user = find_user("foreman-proxy");
  const std::string obstacle = user ? obstacle_to(library, *user) : "";
  if (!obstacle.empty()) return add(check, findings, obstacle, fmt::format("chmod a+rx {}  # and the folders above it", library));
  const auto loaded = run_program({executable_path().string(), "plugins", "load", library});
  if (!loaded) add(check, findings, fmt::format("{} cannot be loaded: {}", library, loaded.error().message()), "install its package anew; then dynflow-migrate plugins probe");
}

void core_is_loadable(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (input.target == Target::kExternal) return;
  if (input.site.core == Loadable::kNo) {
    add(check, findings, "libdynflow_core.so.1 is not installed", "install the package of the core library; then dynflow-migrate plugins probe");
  }
  if (input.site.layout.is_live() && input.site.core_library.find(".so") != std::string::npos) library_is_loadable(check, input.site.core_library, findings);
  for (const LostExecutor& lost : lost_executors(input.site, input.operations)) {
    add(check, findings, fmt::format("jobs of {} run now, and {} is not installed beside {}", lost.operation, lost.library, input.site.core_library),
        fmt::format("install its package, or say :enabled: false in {}", lost.settings_file));
  }
}

void file_is_usable(const Check& check, const Site& site, const Database& database, std::vector<Finding>& findings) {
  namespace fs = std::filesystem;
  const fs::path file(database.value);
  const std::string folder = file.parent_path().string();
  std::error_code ignored;
  if (!fs::is_directory(site.layout.real(folder), ignored)) {
    add(check, findings, fmt::format("{}: there is no folder {}", database.origin, folder),
        fmt::format("install -d -o foreman-proxy -g foreman-proxy -m 0750 {}", folder));
    return;
  }
  const auto user = site.layout.is_live() ? find_user("foreman-proxy") : std::nullopt;
  for (const std::string& path : {folder, database.value}) {
    if (!fs::exists(site.layout.real(path), ignored)) continue;
    const bool is_usable = user ? may_write(site.layout.real(path), *user) : access(site.layout.real(path).c_str(), W_OK) == 0;
    if (is_usable) continue;
    add(check, findings, fmt::format("{}: {} cannot be written{}", database.origin, path, user ? " by foreman-proxy" : ""),
        fmt::format("chown foreman-proxy:foreman-proxy {0}; chmod u+rw {0}", path));
  }
}

void server_is_usable(const Check& check, const Database& database, std::vector<Finding>& findings) {
  const std::string shown = without_credentials(database.value);
  if (!database.value.starts_with("postgres")) {
    add(check, findings, fmt::format("{}: {} is no database that this program's core can use", database.origin, shown), "name a file or postgresql://...");
    return;
  }
  const auto version = persistence::postgres::stored_version(database.value);
  if (!version) {
    add(check, findings, fmt::format("{}: {}: {}", database.origin, shown, version.error().message()), fmt::format("psql '{}' -c 'select 1'  # as foreman-proxy", shown));
  } else if (version->number > 0 && !version->is_current) {
    add(check, findings, fmt::format("{}: {} has schema version {}, which is not this program's", database.origin, shown, version->number),
        "an older one is brought up to date when the core starts; a newer one needs a newer program");
  }
}

void databases_are_apart(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const Site& site = input.site;
  if (is_file(site.proxy_database.value) && site.proxy_database.value == site.sidecar_database.value && input.target != Target::kMerged) {
    add(check, findings, fmt::format("{} and {} name {}", site.proxy_database.origin, site.sidecar_database.origin, site.proxy_database.value),
        "apply gives the proxy a file of its own, unless the environment names it");
  }
  // The database of the side that jobs go to has to be there.
  const Database& database = input.target == Target::kExternal ? site.sidecar_database : site.proxy_database;
  if (is_file(database.value) && site.layout.has_programs()) file_is_usable(check, site, database, findings);
  if (database.value.find("://") != std::string::npos && site.layout.is_live()) server_is_usable(check, database, findings);
}

void databases_differ(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const Site& site = input.site;
  if (!site.sidecar || site.proxy_database.value == site.sidecar_database.value) return;
  const auto kind = [](const Database& database) { return database.value.empty() ? std::string("in memory") : is_file(database.value) ? database.value : "a database server"; };
  add(check, findings, fmt::format("proxy: {} ({}); core service: {} ({})", kind(site.proxy_database), site.proxy_database.origin,
                                   kind(site.sidecar_database), site.sidecar_database.origin),
      "decide whether tasks shall survive a restart: dynflow-migrate config set database FILE");
}

void core_url_fits(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const Site& site = input.site;
  if (input.target == Target::kMerged || !site.dynflow || !site.sidecar) return;
  const std::string& url = site.dynflow->core_url;
  const std::string place = site_path(site.layout, site.dynflow->module.values.place("core_url"));
  if (url.starts_with("http://") && site.sidecar->use_https) add(check, findings, fmt::format("{}: {} is plain, and the core service serves HTTPS", place, url), "dynflow-migrate config set core_url https://...");
  if (url.starts_with("https://") && !site.sidecar->use_https) add(check, findings, fmt::format("{}: {}, and the core service serves plain HTTP", place, url), "dynflow-migrate config set core_url http://...");
  const auto parsed = callback::parse_foreman_url(url);
  if (!parsed) return add(check, findings, fmt::format("{}: {} is not http(s)://host[:port]", place, url), "dynflow-migrate config set core_url https://...");
  if (parsed->port != site.sidecar->port) {
    add(check, findings, fmt::format("{}: {} is not port {} of the core service", place, url, site.sidecar->port), "make :core_url: and :port: agree");
  }
  if (!site.layout.is_live()) return;
  const auto is_here = is_this_host(parsed->host);
  if (is_here == true) return;
  add(check, findings, fmt::format("{}: {} {}", place, parsed->host, is_here ? "is another host: its core service is not looked at here" : "has no address"),
      "dynflow-migrate config set core_url " + std::string(site.sidecar->use_https ? "https" : "http") + fmt::format("://{}:{}", own_host_name(), site.sidecar->port));
}

void sidecar_listens_inside(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const Site& site = input.site;
  if (!site.sidecar || input.target == Target::kMerged) return;
  const std::string& listen = site.sidecar->listen;
  if (listen == "127.0.0.1" || listen == "::1" || listen == "localhost") return;
  const std::string place = site_path(site.layout, site.sidecar->values.place("listen"));
  const Severity severity = site.sidecar->use_https ? Severity::kWarning : Severity::kError;
  findings.push_back({check.id, severity, fmt::format("{}: the core service listens on {}{}", place, listen, site.sidecar->use_https ? "" : " without TLS"), check.why,
                      "dynflow-migrate config set listen 127.0.0.1 --file core; close the port in the firewall"});
}

void units_agree(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  const Site& site = input.site;
  const std::string_view from = input.target == Target::kExternal ? kProxyUnit : kSidecarUnit;
  const std::string_view to = input.target == Target::kExternal ? kSidecarUnit : kProxyUnit;
  for (const UnitDifference& each : unit_differences(site, from, to)) {
    const std::string seen = fmt::format("{}: {}; {} lacks it", each.place, without_credentials(each.directive), to);
    if (each.is_carried) {
      add(check, findings, seen, fmt::format("apply writes it to {}; in force after the next restart of {}", drop_in_path(to), to));
    } else if (each.directive.starts_with("Environment=")) {
      add(check, findings, seen, fmt::format("decide whether {} shall have it, too: systemctl edit {}", to, to));
    } else {
      add(check, findings, seen, fmt::format("printf '[Service]\\n{}\\n' > /etc/systemd/system/{}.service.d/90-local.conf; systemctl daemon-reload", each.directive, to));
    }
  }
}

void settings_of_the_sidecar_only(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (input.target != Target::kInternal) return;
  const auto move = move_to(input.site, input.target);
  if (!move.ok()) return;
  for (const Fate& fate : move->fates) {
    if (fate.needs_attention) add(check, findings, fmt::format("{}: :{}: {}", fate.origin, fate.key, fate.text), "compare the two, and change the proxy's if the core's is meant");
  }
}

void settings_folder_is_a_link(const Check& check, const CheckInput& input, std::vector<Finding>& findings) {
  if (!input.site.has_sidecar_file || input.target == Target::kMerged) return;
  const std::string path = input.site.layout.sidecar_config + "/settings.d";
  const std::string mend = fmt::format("ln -sfn {}/settings.d {}", input.site.layout.proxy_config, path);
  switch (input.site.sidecar_folder) {
    case SettingsFolder::kLink: return;
    case SettingsFolder::kMissing:
      findings.push_back({check.id, Severity::kWarning, path + " is missing: the executors of the core service run with defaults", check.why, mend});
      return;
    case SettingsFolder::kDangling: add(check, findings, path + " leads nowhere", mend); return;
    case SettingsFolder::kFolder: add(check, findings, path + " is a folder of its own", fmt::format("move it away; {}", mend)); return;
  }
}

}  // namespace

std::vector<Check> settings_checks() {
  return {
      {"C01", Severity::kError, "settings can be read", "a process with a wrong setting does not start", settings_parse},
      {"C02", Severity::kError, ":external_core: is true, false or absent", "a string that says false is true for the Ruby proxy", external_core_is_boolean},
      {"C03", Severity::kError, "the core can be loaded in the proxy", "the feature would be failed", core_is_loadable, Needs::kPrograms},
      {"C04", Severity::kError, "each process has its own database", "two worlds on one file damage each other's tasks", databases_are_apart},
      {"C05", Severity::kWarning, "both databases are of one kind", "what survives a restart changes with the mode", databases_differ},
      {"C07", Severity::kWarning, ":core_url: leads to the core service", "the relay would not reach it", core_url_fits},
      {"C09", Severity::kWarning, "the core service listens inside only", "whoever reaches the port can run jobs, with a certificate or without", sidecar_listens_inside},
      {"C10", Severity::kWarning, "both units have the same limits and environment", "jobs run with those of the other unit from then on", units_agree},
      {"C11", Severity::kWarning, "no setting of the core service gets lost", "the proxy does not read the core service's file", settings_of_the_sidecar_only},
      {"C19", Severity::kError, "settings.d of the core service is a link", "installers stumble over a folder, and the two sets differ in time", settings_folder_is_a_link},
  };
}

}  // namespace dynflow::migration
