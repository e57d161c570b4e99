#include "migration/site/status.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <sstream>

#include "migration/site/listeners.h"
#include "migration/site/packages.h"
#include "migration/site/phase.h"
#include "migration/site/running_proxy.h"
#include "shared/base/file.h"
#include "shared/base/url_text.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

std::string shown(const Database& database) {
  return database.value.empty() ? "in memory" : without_credentials(database.value);
}

// Since the process began; nothing when there is none, or it cannot be looked at.
std::optional<long> uptime_of(const Layout& layout, long pid) {
  if (pid == 0) return std::nullopt;
  const auto stat = read_file(layout.real(fmt::format("/proc/{}/stat", pid)));
  const auto up = read_file(layout.real("/proc/uptime"));
  if (!stat.ok() || !up.ok()) return std::nullopt;
  // Field 22, counted from behind the name, which may hold anything.
  std::istringstream words(stat->substr(stat->rfind(')') + 1));
  std::string word;
  for (int field = 3; field <= 22 && words >> word; ++field) continue;
  return static_cast<long>(std::atof(up->c_str())) - std::atol(word.c_str()) / sysconf(_SC_CLK_TCK);
}

std::string span_of(long seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 2 * 3600) return fmt::format("{} min", seconds / 60);
  return seconds < 2 * 86400 ? fmt::format("{} h", seconds / 3600) : fmt::format("{} days", seconds / 86400);
}

Json unit_document(const Layout& layout, const UnitState& unit) {
  const auto uptime = uptime_of(layout, unit.main_pid);
  return {{"state", unit.text()}, {"active", unit.is_active}, {"enabled", unit.is_enabled}, {"masked", unit.is_masked},
          {"installed", unit.is_installed}, {"pid", unit.main_pid}, {"uptime_seconds", uptime ? Json(*uptime) : Json()}};
}

std::string unit_text(const Layout& layout, const UnitState& unit) {
  if (unit.main_pid == 0) return unit.text();
  const auto uptime = uptime_of(layout, unit.main_pid);
  return fmt::format("{}, pid {}{}", unit.text(), unit.main_pid, uptime ? fmt::format(", for {}", span_of(*uptime)) : "");
}

// What has to do with jobs, of all that is installed.
void tell_packages(Context& context, const Layout& layout) {
  Json versions = Json::object();
  const auto packages = installed_packages(layout);
  if (!packages) {
    context.output.document()["packages_problem"] = packages.error().message();
    return context.output.say(fmt::format("packages:         {}", packages.error().message()));
  }
  for (const Package& package : *packages) {
    const bool is_ours = package.gem == "foreman_proxy" || package.gem == "dynflow" || package.gem.starts_with("smart_proxy") ||
                         package.gem.find("dynflow") != std::string::npos || (package.gem.starts_with("foreman_") && package.gem.ends_with("_core"));
    if (is_ours) versions[package.name] = package.version;
  }
  for (const auto& [name, version] : versions.items()) context.output.say(fmt::format("package:          {} {}", name, version.get<std::string>()));
  context.output.document()["packages"] = std::move(versions);
}

// Who has the ports that the settings name.
void tell_listeners(Context& context, const Site& site) {
  std::vector<std::pair<std::string, std::uint16_t>> ports;
  if (site.global && site.global->has_https()) ports.emplace_back("https", site.global->https_port);
  if (site.global && site.global->http_port) ports.emplace_back("http", *site.global->http_port);
  if (site.sidecar) ports.emplace_back("core service", site.sidecar->port);
  Json rows = Json::array();
  for (const auto& [what, port] : ports) {
    const auto owner = listener_on(port);
    rows.push_back({{"for", what}, {"port", port}, {"pid", owner ? Json(owner->pid) : Json()}, {"process", owner ? Json(owner->name) : Json()}});
    context.output.say(fmt::format("port {:<12} {}: {}", port, what, owner ? fmt::format("{} (pid {})", owner->name, owner->pid) : "nobody listens"));
  }
  context.output.document()["listeners"] = std::move(rows);
}

std::string number(std::int64_t unfinished) { return unfinished < 0 ? "not known" : std::to_string(unfinished); }

void tell_running(Context& context, const Site& site, bool& is_drained) {
  const auto not_asked = [&](const std::string& why) {
    context.output.document()["running_problem"] = why;
    context.output.say(fmt::format("running proxy:    {}", why));
  };
  auto proxy = RunningProxy::find(site, context.options);
  if (!proxy.ok()) return not_asked("not asked: " + proxy.error().message());
  const auto mode = (*proxy)->mode();
  if (!mode.ok()) return not_asked(fmt::format("{}: {}", (*proxy)->url(), mode.error().message()));
  if (auto parsed = json::parse(mode->document); parsed.ok()) context.output.document()["running"] = *std::move(parsed);
  context.output.say(fmt::format("running proxy:    {}: {}, unfinished tasks: in-process {}, external {}", (*proxy)->url(), mode->state,
                                 number(mode->own), number(mode->other)));
  if (const auto version = (*proxy)->get("/version"); version.ok()) {
    if (auto parsed = json::parse(*version); parsed.ok()) {
      context.output.say(fmt::format("its version:      {}", json::get_string(*parsed, "version")));
      context.output.document()["version"] = *std::move(parsed);
    }
  }
  if (!mode->callback_error.empty()) context.output.say(fmt::format("callbacks wait:   {}", mode->callback_error));
  // In-process the core service is not asked any more, and its end was no error.
  if (!mode->last_error.empty() && mode->state != "in-process") context.output.say(fmt::format("last error:       {}", mode->last_error));
  if (mode->drained.empty()) return;
  is_drained = true;
  context.output.say(fmt::format("drained:          launches are refused since {}; undrain takes them again", mode->drained));
}

Result<ExitCode> run_status(Context& context) {
  const Layout layout = Layout::of(context.options);
  const auto services = services_of(layout);
  const Site site = read_site(layout, *services);
  const Assessment assessment = assess(site);
  Output& output = context.output;
  Json& document = output.document();
  document["phase"] = std::string(to_string(assessment.phase));
  document["mode"] = assessment.mode;
  document["why"] = assessment.why;
  document["external_core"] = site.external_core() ? Json(*site.external_core()) : Json();
  document["external_core_origin"] = site.external_core_place();
  document["database"] = {{"proxy", {{"value", shown(site.proxy_database)}, {"origin", site.proxy_database.origin}}}};
  if (site.sidecar) document["database"]["core_service"] = {{"value", shown(site.sidecar_database)}, {"origin", site.sidecar_database.origin}};
  document["units"] = {{std::string(kProxyUnit), unit_document(layout, site.proxy_unit)}, {std::string(kSidecarUnit), unit_document(layout, site.sidecar_unit)}};
  document["core_library"] = site.core_library;
  document["leftovers"] = site.leftovers;
  document["problems"] = site.problems;
  document["settings_warnings"] = site.warnings;
  document["mixtures"] = Json::array();
  output.say(fmt::format("phase:            {}", to_string(assessment.phase)));
  output.say(fmt::format("mode:             {}", assessment.mode));
  output.say(fmt::format("because:          {}", assessment.why));
  output.say(fmt::format("{}:    {}", kProxyUnit, unit_text(layout, site.proxy_unit)));
  output.say(fmt::format("core service:     {}", unit_text(layout, site.sidecar_unit)));
  if (site.dynflow) output.say(fmt::format("proxy's database: {} ({})", shown(site.proxy_database), site.proxy_database.origin));
  if (site.sidecar) output.say(fmt::format("core's database:  {} ({})", shown(site.sidecar_database), site.sidecar_database.origin));
  tell_packages(context, layout);
  if (layout.is_live()) tell_listeners(context, site);
  bool is_drained = false;
  if (layout.is_live() || !context.options.proxy_url.empty()) tell_running(context, site, is_drained);
  for (const Mixture& mixture : assessment.mixtures) {
    document["mixtures"].push_back({{"name", std::string(mixture.name)}, {"text", mixture.text}});
    output.say(fmt::format("contradiction:    {}: {}", mixture.name, mixture.text));
  }
  for (const std::string& problem : site.problems) output.say(fmt::format("problem:          {}", problem));
  for (const std::string& warning : site.warnings) output.say(fmt::format("warning:          {}", warning));
  // What could not be read contradicts nothing.
  if (std::any_of(site.problems.begin(), site.problems.end(), is_closed)) return ExitCode::kError;
  if (!assessment.mixtures.empty() || assessment.phase == Phase::kUnknown) return ExitCode::kInconsistent;
  if (!site.problems.empty()) return ExitCode::kError;
  return site.warnings.empty() && !is_drained ? ExitCode::kFine : ExitCode::kWarnings;
}

constexpr std::array kCommands = {
    Command{"status", "Phase, effective mode and why, units, versions, databases, unfinished tasks, contradictions", {}, run_status},
};

}  // namespace

std::span<const Command> status_commands() { return kCommands; }

}  // namespace dynflow::migration
