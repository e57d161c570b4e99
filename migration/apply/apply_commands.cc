#include "migration/apply/apply_commands.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "migration/apply/changer.h"
#include "migration/apply/verification.h"
#include "migration/site/executors.h"
#include "migration/site/phase.h"
#include "shared/base/interrupt.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr Option kTo{"to", OptionKind::kValue, "internal|external", "The mode to go to", true};
constexpr std::array kPlanOptions = {kTo};
constexpr std::array kApplyOptions = {
    kTo,
    Option{"hand-over", OptionKind::kFlag, "", "Jobs may run: they end where they are, and the old side is stopped after the last"},
    Option{"drain", OptionKind::kValue, "SECONDS", "Wait so long for jobs to end before anything is changed"},
    Option{"force", OptionKind::kFlag, "", "Go on although jobs may be lost"},
    Option{"timeout", OptionKind::kValue, "SECONDS", "Watch the hand-over so long; it goes on afterwards"}};
constexpr std::array kVerifyOptions = {
    Option{"no-foreman", OptionKind::kFlag, "", "Do not send Foreman a callback that it has to refuse"},
    Option{"no-launch", OptionKind::kFlag, "", "Do not launch a task that does nothing"}};
constexpr std::array kRollbackOptions = {
    Option{"to", OptionKind::kValue, "SNAPSHOT", "Which snapshot; default: that of the last change"},
    Option{"force", OptionKind::kFlag, "", "Go on although jobs may be lost"}};

struct Read {
  Layout layout;
  std::unique_ptr<Services> services;
  Site site;
};

Read read(Context& context) {
  Read read{Layout::of(context.options), nullptr, {}};
  read.services = services_of(read.layout);
  read.site = read_site(read.layout, *read.services);
  return read;
}

std::string_view words_of_step(std::string_view step) {
  if (step == "snapshot") return "keep a snapshot of settings, environment files and unit states";
  if (step == "start") return "unmask, enable and start smart_proxy_dynflow_core";
  if (step == "settings") return "write the settings and a drop-in with the other unit's limits; daemon-reload";
  if (step == "flip") return "ask the running proxy for the hand-over (no restart)";
  if (step == "wait") return "wait until the old side has no unfinished task";
  if (step == "verify") return "verify the proxy";
  return "disable, stop and mask smart_proxy_dynflow_core";
}

void say_steps(Context& context, std::string_view kind, bool was_sidecar_active) {
  Json actions = Json::array();
  for (const std::string& step : steps_of(kind, was_sidecar_active)) {
    const bool puts_back = kind == "rollback" && step == "settings";
    const std::string words(puts_back ? "put the files of the snapshot back; daemon-reload" : words_of_step(step));
    actions.push_back({{"step", step}, {"does", words}});
    context.output.say(fmt::format("{}. {}: {}", actions.size(), step, words));
  }
  context.output.document()["actions"] = std::move(actions);
}

Result<ExitCode> show_plan(Context& context, const Site& site, const std::string& kind) {
  const auto move = move_to(site, *parse_target(kind));
  if (!move) return move.error();
  const std::string diff = diff_of(*move);
  if (!diff.empty()) context.output.say(diff.substr(0, diff.size() - 1));
  say_steps(context, kind, false);
  context.output.document()["diff"] = diff;
  return ExitCode::kFine;
}

Result<ExitCode> run_plan(Context& context) { return show_plan(context, read(context).site, context.arguments.get("to")); }

// Whether settings, mode and core service are as `kind` wants them.
bool is_there_already(Context& context, const Site& site, const Services& services, const std::string& kind) {
  const bool wants_external = kind == "external";
  const auto move = move_to(site, wants_external ? Target::kExternal : Target::kInternal);
  if (!move.ok() || !move->changes.empty()) return false;
  if (site.sidecar_unit.is_known && site.sidecar_unit.is_active != wants_external) return false;
  // It would run again after the next boot.
  if (!wants_external && services.can_act() && site.sidecar_unit.is_enabled) return false;
  if (!site.layout.is_live() && context.options.proxy_url.empty()) return true;
  auto proxy = RunningProxy::find(site, context.options);
  if (!proxy.ok()) return false;
  const auto mode = (*proxy)->mode();
  return mode.ok() && mode->state == (wants_external ? "external" : "in-process");
}

// What jobs would find nobody to run them after the change. Who cannot be asked is not waited for: the change itself does that.
Status has_executors(Context& context, const Site& site) {
  if (!site.layout.is_live() && context.options.proxy_url.empty()) return {};
  auto proxy = RunningProxy::find(site, context.options);
  const auto operations = proxy.ok() ? (*proxy)->operations() : Result<std::vector<std::string>>(proxy.error());
  if (!operations.ok()) return {};
  const auto lost = lost_executors(site, *operations);
  if (lost.empty()) return {};
  return Error(Code::kUnprocessable, fmt::format("jobs of {0} run now, and {1} is not installed beside {2}: the proxy would refuse them; install it first, or say :enabled: false in {3} (check C03)",
                                                 lost.front().operation, lost.front().library, site.core_library, lost.front().settings_file));
}

Result<ExitCode> run_apply(Context& context) {
  remember_interrupts();
  ChangeOptions options;
  options.is_hand_over = context.arguments.has("hand-over");
  options.is_forced = context.arguments.has("force");
  for (const auto& [name, target] : {std::pair{"drain", &options.drain}, std::pair{"timeout", &options.timeout}}) {
    const auto seconds = context.arguments.number(name);
    if (!seconds) return seconds.error();
    if (*seconds) *target = std::chrono::seconds(**seconds);
  }
  if (options.is_hand_over + options.is_forced + options.drain.has_value() > 1) {
    return Error(Code::kInvalid, "--hand-over, --drain and --force: one of them");
  }
  Read now = read(context);
  const std::string kind = context.arguments.get("to");
  if (!now.site.problems.empty()) return Error(Code::kInvalid, now.site.problems.front());
  if (context.options.is_noop) return show_plan(context, now.site, kind);
  auto place = Workplace::open(now.site);
  if (!place) return place.error();
  const auto journal = place->journal();
  if (!journal) return journal.error();
  const bool is_under_way = *journal && !(*journal)->is_finished;
  if (!is_under_way && is_there_already(context, now.site, *now.services, kind)) {
    context.output.say("nothing to do");
    return ExitCode::kFine;
  }
  const UnitState& sidecar = now.site.sidecar_unit;
  if (kind == "external" && !is_under_way && now.services->can_act() && sidecar.is_known && !sidecar.is_installed && !sidecar.is_masked) {
    return Error(Code::kNotFound, fmt::format("{} is not installed: install its package first", kSidecarUnit));
  }
  if (kind == "internal" && now.site.core == Loadable::kNo) {
    return Error(Code::kUnprocessable, "the core library is not installed in the proxy: install it first (check C03)");
  }
  if (kind == "internal" && !is_under_way && !options.is_forced) {
    if (auto done = has_executors(context, now.site); !done) return done.error();
  }
  Changer changer(context, std::move(now.site), *now.services, *place);
  return changer.run(kind, "", options);
}

// With --noop nothing is made, not even the folder.
Result<Workplace> workplace_of(Context& context, const Site& site) {
  return context.options.is_noop ? Result<Workplace>(Workplace::look(site)) : Workplace::open(site);
}

Result<ExitCode> run_rollback(Context& context) {
  remember_interrupts();
  Read now = read(context);
  auto place = workplace_of(context, now.site);
  if (!place) return place.error();
  const auto journal = place->journal();
  if (!journal) return journal.error();
  std::string snapshot = context.arguments.get("to");
  if (snapshot.empty() && *journal) snapshot = (*journal)->snapshot;
  if (snapshot.empty()) return Error(Code::kNotFound, "there is no snapshot: nothing was changed by this program");
  const auto before = place->snapshot(snapshot);
  if (!before) return before.error();
  if (context.options.is_noop) {
    say_steps(context, "rollback", before->was_sidecar_active);
    return ExitCode::kFine;
  }
  ChangeOptions options;
  options.is_hand_over = true;
  options.is_forced = context.arguments.has("force");
  Changer changer(context, std::move(now.site), *now.services, *place);
  return changer.run("rollback", snapshot, options);
}

Result<ExitCode> run_verify(Context& context) {
  remember_interrupts();
  const Read now = read(context);
  const Assessment assessment = assess(now.site);
  auto proxy = RunningProxy::find(now.site, context.options);
  if (!proxy) return proxy.error();
  Json rows = Json::array();
  bool is_good = true;
  const VerifyOptions options{!context.arguments.has("no-foreman"), !context.arguments.has("no-launch")};
  const bool is_external = now.site.external_core().value_or(now.site.core != Loadable::kYes);
  for (const Verdict& verdict : verify_site(now.site, context.options, **proxy, is_external, options)) {
    const bool says_why = !verdict.is_good || !verdict.was_asked;
    rows.push_back({{"what", verdict.what}, {"ok", verdict.is_good}, {"asked", verdict.was_asked}, {"detail", says_why ? verdict.detail : ""}});
    context.output.say(to_text(verdict));
    is_good = is_good && verdict.is_good;
  }
  if (is_interrupted()) return Error(Code::kClosed, "interrupted; what was not seen by then counts for nothing");
  context.output.document()["verdicts"] = std::move(rows);
  if (!is_good) return ExitCode::kError;
  for (const Mixture& mixture : assessment.mixtures) context.output.warn(fmt::format("{}: {}", mixture.name, mixture.text));
  return assessment.mixtures.empty() ? ExitCode::kFine : ExitCode::kInconsistent;
}

Result<ExitCode> run_cleanup(Context& context) {
  const Read now = read(context);
  const Assessment assessment = assess(now.site);
  if (now.site.external_core() != false || now.site.sidecar_unit.is_active || !assessment.mixtures.empty()) {
    return Error(Code::kConflict, fmt::format("the phase is {}: cleanup is for sites that are in-process with the core service stopped", to_string(assessment.phase)));
  }
  auto place = workplace_of(context, now.site);
  if (!place) return place.error();
  const auto journal = place->journal();
  if (!journal) return journal.error();
  if (*journal && !(*journal)->is_finished) return Error(Code::kConflict, "a change is under way");
  context.output.document()["leftovers"] = now.site.leftovers;
  if (now.site.leftovers.empty()) context.output.say("nothing to do");
  bool is_changed = false;
  bool is_whole = true;
  bool has_units = false;
  for (const std::string& path : now.site.leftovers) {
    context.output.say(fmt::format("remove {}", path));
    if (context.options.is_noop) continue;
    std::error_code failure;
    // Links are removed, never followed; folders only with what is in them of our list.
    const std::filesystem::path real = now.layout.real(path);
    if (path.ends_with(".service.d")) is_changed = (std::filesystem::remove_all(real, failure) > 0 && !failure) || is_changed;
    else is_changed = std::filesystem::remove(real, failure) || is_changed;
    if (failure) context.output.warn(fmt::format("{}: {}", path, failure.message()));
    is_whole = is_whole && !failure;
    has_units = has_units || path.starts_with("/etc/systemd/");
  }
  if (is_changed && has_units && now.services->can_act()) {
    if (auto done = now.services->reload(); !done) return done.error();
  }
  if (!is_whole) return ExitCode::kError;
  return is_changed ? ExitCode::kChanged : ExitCode::kFine;
}

constexpr std::array kCommands = {
    Command{"plan", "What apply would do: a unified diff, and the actions in order", kPlanOptions, run_plan},
    Command{"apply", "Change the mode; may be killed at any moment and repeated", kApplyOptions, run_apply},
    Command{"verify", "Ask the running proxy whether it does what its settings say", kVerifyOptions, run_verify},
    Command{"rollback", "Back to the snapshot of the last change, with a hand-over", kRollbackOptions, run_rollback},
    Command{"cleanup", "Remove what the core service left, once the site is in-process", {}, run_cleanup},
};

}  // namespace

std::span<const Command> apply_commands() { return kCommands; }

}  // namespace dynflow::migration
