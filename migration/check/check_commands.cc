#include "migration/check/check_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "migration/check/checks.h"
#include "migration/site/foreman_peer.h"
#include "migration/site/running_proxy.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr std::array kCheckOptions = {Option{"to", OptionKind::kValue, "internal|external|merged", "The mode to go to; default: internal"}};

constexpr std::size_t kJobsShown = 10;
constexpr std::string_view kJobsCheck = "C12";

void ask_proxy(const GlobalOptions& options, CheckInput& input) {
  if (!input.site.layout.is_live() && options.proxy_url.empty()) return;
  auto proxy = RunningProxy::find(input.site, options);
  if (!proxy.ok()) {
    input.proxy_problem = proxy.error().message();
    return;
  }
  const auto count = (*proxy)->running_tasks();
  if (count.ok()) input.jobs = *count;
  else input.proxy_problem = fmt::format("{}: {}", (*proxy)->url(), count.error().message());
  if (auto operations = (*proxy)->operations(); operations.ok()) input.operations = *std::move(operations);
  if (const auto mode = (*proxy)->mode(); mode.ok() && input.jobs.value_or(0) > 0) input.running = describe_jobs(**proxy, mode->task_ids, kJobsShown);
}

// Jobs that run are no fault of the site: who may wait for them, or hand them over, can go on.
ExitCode exit_code_of(const std::vector<Finding>& findings) {
  ExitCode code = findings.empty() ? ExitCode::kFine : ExitCode::kWarnings;
  for (const Finding& finding : findings) {
    if (finding.severity != Severity::kError) continue;
    if (finding.id != kJobsCheck) return ExitCode::kError;
    code = ExitCode::kJobsRun;
  }
  return code;
}

Result<ExitCode> run_check(Context& context) {
  const std::string word = context.arguments.get("to");
  const auto target = parse_target(word.empty() ? "internal" : word);
  if (!target) return target.error();
  const Layout layout = Layout::of(context.options);
  const auto services = services_of(layout);
  const Site site = read_site(layout, *services);
  CheckInput input{site, *target, std::nullopt};
  ask_proxy(context.options, input);
  // Below a root nothing runs that has a clock.
  if (layout.is_live()) {
    const auto lead = foreman_clock_lead(site);
    if (lead.ok()) input.foreman_lead = *lead;
    else input.foreman_problem = lead.error().message();
  }
  const auto findings = run_checks(input);
  Json rows = Json::array();
  Json skipped = Json::array();
  for (const Check& check : all_checks()) {
    bool is_clean = true;
    for (const Finding& finding : findings) {
      if (finding.id != check.id) continue;
      is_clean = false;
      const bool is_error = finding.severity == Severity::kError;
      rows.push_back({{"id", std::string(finding.id)}, {"severity", is_error ? "error" : "warning"}, {"title", std::string(check.title)},
                      {"seen", finding.seen}, {"why", std::string(finding.why)}, {"mend", finding.mend}});
      context.output.say(fmt::format("{} {} {}\n      why:  {}\n      mend: {}", finding.id, is_error ? "ERROR" : "warn ", finding.seen, finding.why, finding.mend));
    }
    const bool has_looked = could_look(check, input);
    if (is_clean && !has_looked) skipped.push_back(std::string(check.id));
    if (is_clean) context.output.say(fmt::format("{} {} {}{}", check.id, has_looked ? "ok   " : "skip ", check.title, has_looked ? "" : ": not looked at here"));
  }
  context.output.document()["findings"] = std::move(rows);
  context.output.document()["skipped"] = std::move(skipped);
  return exit_code_of(findings);
}

constexpr std::array kCommands = {
    Command{"check", "What stands against a change of mode: C01 to C22, with what was seen, why it matters, and how to mend it", kCheckOptions, run_check},
};

}  // namespace

std::vector<Check> all_checks() {
  std::vector<Check> checks = settings_checks();
  for (const Check& check : host_checks()) checks.push_back(check);
  std::sort(checks.begin(), checks.end(), [](const Check& one, const Check& other) { return one.id < other.id; });
  return checks;
}

bool could_look(const Check& check, const CheckInput& input) {
  switch (check.needs) {
    case Needs::kSettings: return true;
    case Needs::kPrograms: return input.site.layout.has_programs();
    case Needs::kHost: return input.site.layout.is_live();
    case Needs::kProxy: return input.jobs.has_value();
  }
  return true;
}

std::vector<Finding> run_checks(const CheckInput& input) {
  std::vector<Finding> findings;
  for (const Check& check : all_checks()) check.look(check, input, findings);
  return findings;
}

std::span<const Command> check_commands() { return kCommands; }

}  // namespace dynflow::migration
