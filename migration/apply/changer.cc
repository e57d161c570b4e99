#include "migration/apply/changer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "migration/apply/verification.h"
#include "shared/base/clock.h"
#include "shared/base/deadline.h"
#include "shared/base/interrupt.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr std::chrono::minutes kProxyPatience{5};  // for a proxy that restarts, a core service that starts

constexpr std::string_view kInterrupted = "interrupted";

Error interrupted() { return Error(Code::kClosed, fmt::format("{}; the same command goes on from here", kInterrupted)); }

bool is_over(const ModeReport& report, bool wants_external) { return report.state == (wants_external ? "external" : "in-process"); }

}  // namespace

std::vector<std::string> steps_of(std::string_view kind, bool was_sidecar_active) {
  std::vector<std::string> steps;
  if (kind != "rollback") steps.emplace_back("snapshot");
  const bool needs_sidecar = kind == "external" || (kind == "rollback" && was_sidecar_active);
  if (needs_sidecar) steps.emplace_back("start");
  steps.insert(steps.end(), {"settings", "flip", "wait", "verify"});
  if (!needs_sidecar) steps.emplace_back("retire");
  return steps;
}

bool Changer::wants_external() const { return journal_.kind == "external" || (journal_.kind == "rollback" && before_.was_external()); }

Result<RunningProxy*> Changer::proxy() {
  if (!site_.layout.is_live() && context_.options.proxy_url.empty()) return nullptr;
  if (!proxy_) {
    auto found = RunningProxy::find(site_, context_.options);
    if (!found) return found.error();
    proxy_ = *std::move(found);
  }
  return proxy_.get();
}

Result<std::int64_t> Changer::jobs() {
  const auto found = proxy();
  if (!found) return found.error();
  if (*found == nullptr) return 0;
  return (*found)->running_tasks();
}

Result<ExitCode> Changer::drain(std::chrono::seconds patience) {
  const auto found = proxy();
  if (!found) return found.error();
  if (*found == nullptr) return ExitCode::kFine;
  const auto mode = (*found)->mode();
  if (mode.ok() && mode->drained.empty()) {
    if (auto noted = note_drain(true); !noted) return noted.error();
    if (const auto drained = (*found)->drain(true); !drained.ok()) return drained.error();
  } else if (!mode.ok() && mode.error().code() != Code::kNotFound) {
    return mode.error();
  } else if (!mode.ok()) {
    context_.output.warn("this proxy cannot refuse launches: stop job starts in Foreman meanwhile");
  }
  const Deadline deadline = Deadline::after(patience);
  std::int64_t most = 0;
  Pace pace;
  while (true) {
    pace.begin();
    const auto left = jobs();
    if (!left.ok() && !is_transient(left.error().code())) return left.error();
    if (left.ok() && *left == 0) return ExitCode::kFine;
    if (deadline.has_passed() || is_interrupted()) {
      context_.output.warn(left.ok() ? fmt::format("{} jobs still run; nothing was changed", *left)
                                     : fmt::format("{}; nothing was changed", left.error().message()));
      return ExitCode::kJobsRun;
    }
    if (left.ok()) {
      most = std::max(most, *left);
      context_.output.progress(static_cast<std::size_t>(most - *left), static_cast<std::size_t>(most), "jobs ended");
    }
    pace.pause();
  }
}

Status Changer::undrain() {
  if (!journal_.is_drained) return {};
  const auto found = proxy();
  if (!found) return found.error();
  if (*found != nullptr) {
    if (const auto done = (*found)->drain(false); !done.ok()) return done.error();
  }
  return note_drain(false);
}

// Before launches are refused: a tool that is killed then does not leave them refused for ever. What the journal says of the last change stays.
Status Changer::note_drain(bool is_drained) {
  journal_.is_drained = is_drained;
  auto found = place_.journal();
  if (!found) return found.error();
  Journal kept = found->value_or(Journal{"drain", "", false, true, false, {}});
  kept.is_drained = is_drained;
  return place_.save(kept);
}

Result<ExitCode> Changer::begin(const std::string& kind, const std::string& snapshot, const ChangeOptions& options) {
  if (options.drain) {
    const auto code = drain(*options.drain);
    if (!code.ok() || *code != ExitCode::kFine) {
      if (auto done = undrain(); !done) context_.output.warn(fmt::format("launches stay refused, undrain takes them again: {}", done.error().message()));
      return code;
    }
  } else if (!options.is_hand_over && !options.is_forced) {
    const auto left = jobs();
    if (left.ok() && *left > 0) {
      context_.output.warn(fmt::format("{} jobs run: --hand-over keeps them, --drain SECONDS waits, --force may lose them", *left));
      context_.output.document()["jobs"] = *left;
      return ExitCode::kJobsRun;
    }
  }
  journal_ = Journal{kind, snapshot, options.is_forced, false, journal_.is_drained, {}};
  if (auto saved = place_.save(journal_); !saved) return saved.error();
  return ExitCode::kFine;
}

Result<ExitCode> Changer::run(const std::string& kind, const std::string& snapshot, const ChangeOptions& options) {
  auto found = place_.journal();
  if (!found) return found.error();
  if (*found) journal_.is_drained = (*found)->is_drained;
  if (*found && !(*found)->is_finished) {
    if ((*found)->kind != kind && kind != "rollback") {
      const std::string begun = (*found)->kind == "rollback" ? "a rollback" : fmt::format("a change to {}", (*found)->kind);
      return Error(Code::kConflict, fmt::format("{} was begun and not finished: go on with it, or go back with rollback", begun));
    }
    if ((*found)->kind == kind) {
      journal_ = **found;
      journal_.is_forced = journal_.is_forced || options.is_forced;
      context_.output.say(fmt::format("going on with the change that was begun: {} steps are done", journal_.done.size()));
    }
  }
  if (journal_.kind.empty()) {
    const auto code = begin(kind, snapshot, options);
    if (!code.ok() || *code != ExitCode::kFine) return code;
  }
  if (kind == "rollback") {
    auto before = place_.snapshot(journal_.snapshot);
    if (!before) return before.error();
    before_ = *std::move(before);
  }
  return carry_out(options);
}

Result<ExitCode> Changer::carry_out(const ChangeOptions& options) {
  const auto steps = steps_of(journal_.kind, before_.was_sidecar_active);
  for (const std::string& name : steps) {
    if (journal_.has_done(name)) continue;
    if (is_interrupted()) return interrupted();
    context_.output.say("step " + name);
    if (auto done = step(name, options); !done) {
      if (done.error().code() == Code::kTimeout && name == "wait") {
        context_.output.warn(done.error().message());
        return ExitCode::kJobsRun;
      }
      const Error error = done.error().in(name);
      if (is_interrupted() && error.message().find(kInterrupted) == std::string::npos) {
        return Error(Code::kClosed, fmt::format("{} ({}); the same command goes on from here", kInterrupted, error.message()));
      }
      return error;
    }
    journal_.done.push_back(name);
    if (auto saved = place_.save(journal_); !saved) return saved.error();
  }
  if (auto done = undrain(); !done) return done.error().in("undrain");
  journal_.is_finished = true;
  if (auto saved = place_.save(journal_); !saved) return saved.error();
  context_.output.document()["steps"] = journal_.done;
  context_.output.document()["snapshot"] = journal_.snapshot;
  context_.output.say(fmt::format("done; snapshot {}", journal_.snapshot));
  return ExitCode::kChanged;
}

Status Changer::step(const std::string& name, const ChangeOptions& options) {
  if (name == "snapshot") {
    const auto found = proxy();
    const auto mode = found.ok() && *found != nullptr ? (*found)->mode() : Result<ModeReport>(Error(Code::kUnavailable, ""));
    auto taken = place_.take_snapshot(site_, mode.ok() ? mode->state : "");
    if (!taken) return taken.error();
    journal_.snapshot = *taken;
    return {};
  }
  if (name == "start") return start_sidecar();
  if (name == "settings") return write_settings();
  if (name == "flip") return flip();
  if (name == "wait") return wait_for_jobs(options);
  if (name == "verify") return verify();
  return retire_sidecar();
}

Status Changer::act(std::string_view verb, std::string_view unit) {
  context_.output.say(fmt::format("  {} {}", verb, unit));
  return services_.act(verb, unit);
}

Status Changer::start_sidecar() {
  if (!services_.can_act()) return {};
  auto state = services_.state(kSidecarUnit);
  if (!state) return state.error();
  if (state->is_masked) {
    if (auto done = act("unmask", kSidecarUnit); !done) return done;
    state = services_.state(kSidecarUnit);
    if (!state) return state.error();
  }
  if (!state->is_installed) return Error(Code::kNotFound, fmt::format("{} is not installed: install its package first", kSidecarUnit));
  const bool was_disabled = journal_.kind == "rollback" && !before_.was_sidecar_enabled;
  if (!state->is_enabled && !was_disabled) {
    if (auto done = act("enable", kSidecarUnit); !done) return done;
  }
  if (state->is_active) return {};
  return act("start", kSidecarUnit);
}

Status Changer::write_settings() {
  if (journal_.kind == "rollback") {
    if (auto done = place_.restore_files(journal_.snapshot, site_.layout); !done) return done;
    return reload_units();
  }
  const auto move = move_to(site_, journal_.kind == "external" ? Target::kExternal : Target::kInternal);
  if (!move) return move.error();
  for (const Fate& fate : move->fates) {
    if (fate.needs_attention) context_.output.warn(fmt::format("{}: :{}: {}", fate.origin, fate.key, fate.text));
  }
  if (auto done = write(site_.layout, *move); !done) return done;
  const bool has_units = std::any_of(move->changes.begin(), move->changes.end(), [](const FileChange& change) { return change.path.starts_with("/etc/systemd/"); });
  return has_units ? reload_units() : Status();
}

// Drop-ins count from then on; limits from the next start of their unit on.
Status Changer::reload_units() {
  if (!services_.can_act()) return {};
  context_.output.say("  daemon-reload");
  return services_.reload();
}

Status Changer::flip() {
  const auto found = proxy();
  if (!found) return found.error();
  if (*found == nullptr) return {};
  const Deadline deadline = Deadline::after(kProxyPatience);
  bool has_told = false;
  while (true) {
    const auto mode = (*found)->begin(wants_external(), journal_.is_forced);
    if (mode.ok()) return {};
    const Error& error = mode.error();
    if (error.code() == Code::kForbidden) {
      return Error(Code::kForbidden, fmt::format("{}: the proxy does not let this program in; this host has to be among its :trusted_hosts: (check C20)", error.message()));
    }
    if (error.code() == Code::kNotFound) {
      // A proxy without hand-over: its restart reads the settings and loses what ran in it.
      if (!journal_.is_forced) {
        return Error(Code::kConflict, fmt::format("{}: this proxy cannot be asked for a hand-over (--force restarts it and may lose jobs)", error.message()));
      }
      return act("restart", kProxyUnit);
    }
    if (!is_transient(error.code())) return error;
    if (deadline.has_passed()) return error;
    if (is_interrupted()) return interrupted();
    if (!has_told) context_.output.warn(fmt::format("{}; trying again, for up to {} minutes", error.message(), kProxyPatience.count()));
    has_told = true;
    pause_between_looks();
  }
}

Status Changer::wait_for_jobs(const ChangeOptions& options) {
  const auto found = proxy();
  if (!found) return found.error();
  if (*found == nullptr) return {};
  const bool external = wants_external();
  std::optional<Deadline> deadline;
  if (options.timeout) deadline = Deadline::after(*options.timeout);
  Deadline patience = Deadline::after(kProxyPatience);
  const auto start = system_clock().instant();
  std::int64_t most = 0;
  bool was_silent = false;
  Pace pace;
  while (true) {
    pace.begin();
    auto mode = (*found)->mode();
    if (mode.ok()) {
      patience = Deadline::after(kProxyPatience);
      if (is_over(*mode, external)) return {};
      const std::int64_t known = external ? mode->own : mode->other;
      const bool is_silent = known < 0;
      if (is_silent && !was_silent) {
        context_.output.warn(external ? std::string("the proxy's own core cannot be asked for its tasks; the hand-over waits for it")
                                      : fmt::format("the core service cannot be asked for its tasks, the hand-over waits for it: start {} (systemctl start {}), or give it up with --force{}",
                                                    kSidecarUnit, kSidecarUnit, mode->last_error.empty() ? "" : ": " + mode->last_error));
      }
      was_silent = is_silent;
      const std::int64_t left = std::max<std::int64_t>(known, 0);
      most = std::max(most, left);
      const double seconds = std::chrono::duration<double>(system_clock().instant() - start).count();
      const std::int64_t gone = most - left;
      const std::string estimate = gone > 0 && left > 0 ? fmt::format(", about {:.0f} s", seconds / static_cast<double>(gone) * static_cast<double>(left)) : "";
      context_.output.progress(static_cast<std::size_t>(gone), static_cast<std::size_t>(most), fmt::format("tasks of the old side finished{}", estimate));
      // Somebody turned the hand-over off meanwhile, or the proxy was restarted before it could remember.
      if (!mode->state.starts_with("hand-over") || (mode->state == "hand-over to external") != external) {
        if (auto done = flip(); !done) return done;
      }
      if (journal_.is_forced) (void)(*found)->finish(true);  // refused: the next look says so
    } else if (!is_transient(mode.error().code()) || patience.has_passed()) {
      return mode.error();
    }
    if (is_interrupted()) return Error(Code::kClosed, "interrupted; the hand-over goes on in the proxy, and the same command watches it again");
    if (deadline && deadline->has_passed()) return Error(Code::kTimeout, "jobs still run on the old side; the hand-over goes on, and the same command watches it again");
    pace.pause();
  }
}

Status Changer::verify() {
  const auto found = proxy();
  if (!found) return found.error();
  if (*found == nullptr) return {};
  for (const Verdict& verdict : verify_proxy(**found, wants_external())) {
    context_.output.say("  " + to_text(verdict));
    if (!verdict.is_good) return Error(Code::kFailed, fmt::format("{}: {}; nothing was stopped", verdict.what, verdict.detail));
  }
  return {};
}

Status Changer::retire_sidecar() {
  if (!services_.can_act()) return {};
  const auto state = services_.state(kSidecarUnit);
  if (!state) return state.error();
  if (!state->is_installed && !state->is_active) return {};
  const bool is_rollback = journal_.kind == "rollback";
  if (is_rollback && before_.was_sidecar_active) return {};
  if (state->is_enabled && !(is_rollback && before_.was_sidecar_enabled)) {
    if (auto done = act("disable", kSidecarUnit); !done) return done;
  }
  if (state->is_active) {
    if (auto done = act("stop", kSidecarUnit); !done) return done;
  }
  if (state->is_masked || (is_rollback && !before_.was_sidecar_masked)) return {};
  return act("mask", kSidecarUnit);
}

}  // namespace dynflow::migration
