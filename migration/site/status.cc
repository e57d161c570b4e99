#include "migration/site/status.h"

#include <fmt/format.h>

#include <array>

#include "migration/site/phase.h"
#include "migration/site/running_proxy.h"
#include "shared/base/url_text.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

std::string shown(const Database& database) {
  return database.value.empty() ? "in memory" : without_credentials(database.value);
}

Json unit_document(const UnitState& unit) {
  return {{"state", unit.text()}, {"active", unit.is_active}, {"enabled", unit.is_enabled}, {"masked", unit.is_masked},
          {"installed", unit.is_installed}, {"pid", unit.main_pid}};
}

std::string number(std::int64_t unfinished) { return unfinished < 0 ? "not known" : std::to_string(unfinished); }

void tell_running(Context& context, const Site& site, bool& is_drained) {
  auto proxy = RunningProxy::find(site, context.options);
  if (!proxy.ok()) return context.output.say(fmt::format("running proxy:    not asked: {}", proxy.error().message()));
  const auto mode = (*proxy)->mode();
  if (!mode.ok()) return context.output.say(fmt::format("running proxy:    {}: {}", (*proxy)->url(), mode.error().message()));
  if (auto parsed = json::parse(mode->document); parsed.ok()) context.output.document()["running"] = *std::move(parsed);
  context.output.say(fmt::format("running proxy:    {}: {}, unfinished tasks: in-process {}, external {}", (*proxy)->url(), mode->state,
                                 number(mode->own), number(mode->other)));
  if (!mode->last_error.empty()) context.output.say(fmt::format("last error:       {}", mode->last_error));
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
  document["units"] = {{std::string(kProxyUnit), unit_document(site.proxy_unit)}, {std::string(kSidecarUnit), unit_document(site.sidecar_unit)}};
  document["core_library"] = site.core_library;
  document["leftovers"] = site.leftovers;
  document["problems"] = site.problems;
  document["settings_warnings"] = site.warnings;
  document["mixtures"] = Json::array();
  output.say(fmt::format("phase:            {}", to_string(assessment.phase)));
  output.say(fmt::format("mode:             {}", assessment.mode));
  output.say(fmt::format("because:          {}", assessment.why));
  output.say(fmt::format("{}:    {}", kProxyUnit, site.proxy_unit.text()));
  output.say(fmt::format("core service:     {}", site.sidecar_unit.text()));
  if (site.dynflow) output.say(fmt::format("proxy's database: {} ({})", shown(site.proxy_database), site.proxy_database.origin));
  if (site.sidecar) output.say(fmt::format("core's database:  {} ({})", shown(site.sidecar_database), site.sidecar_database.origin));
  bool is_drained = false;
  if (layout.is_live() || !context.options.proxy_url.empty()) tell_running(context, site, is_drained);
  for (const Mixture& mixture : assessment.mixtures) {
    document["mixtures"].push_back({{"name", std::string(mixture.name)}, {"text", mixture.text}});
    output.say(fmt::format("contradiction:    {}: {}", mixture.name, mixture.text));
  }
  for (const std::string& problem : site.problems) output.say(fmt::format("problem:          {}", problem));
  for (const std::string& warning : site.warnings) output.say(fmt::format("warning:          {}", warning));
  if (!assessment.mixtures.empty() || assessment.phase == Phase::kUnknown) return ExitCode::kInconsistent;
  if (!site.problems.empty()) return ExitCode::kError;
  return site.warnings.empty() && !is_drained ? ExitCode::kFine : ExitCode::kWarnings;
}

constexpr std::array kCommands = {
    Command{"status", "Phase, effective mode and why, units, databases, contradictions", {}, run_status},
};

}  // namespace

std::span<const Command> status_commands() { return kCommands; }

}  // namespace dynflow::migration
