#include "migration/apply/drain_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "migration/site/running_proxy.h"
#include "migration/site/site.h"
#include "shared/base/deadline.h"
#include "shared/base/interrupt.h"
#include "shared/json/json.h"

namespace dynflow::migration {

namespace {

constexpr std::array kDrainOptions = {
    Option{"timeout", OptionKind::kValue, "SECONDS", "Wait so long; default: for ever"},
    Option{"cancel", OptionKind::kFlag, "", "Cancel what runs instead of waiting for it"}};
constexpr std::chrono::minutes kProxyPatience{5};  // for a proxy that restarts

Result<std::unique_ptr<RunningProxy>> proxy_of(Context& context) {
  const Layout layout = Layout::of(context.options);
  const auto services = services_of(layout);
  return RunningProxy::find(read_site(layout, *services), context.options);
}

// Each task once: cancelling takes its time, and a second try would enforce it.
void cancel_new(RunningProxy& proxy, const std::vector<std::string>& ids, std::set<std::string>& cancelled, Output& output) {
  for (const std::string& id : ids) {
    if (!cancelled.insert(id).second) continue;
    if (const Status done = proxy.cancel(id); !done && done.error().code() != Code::kNotFound) output.warn(fmt::format("{}: {}", id, done.error().message()));
  }
}

struct Start {
  bool is_changed = false;
  bool can_refuse = true;
};

Result<Start> begin_drain(RunningProxy& proxy, Context& context) {
  const auto mode = proxy.mode();
  if (!mode.ok() && mode.error().code() == Code::kNotFound) {
    context.output.warn("this proxy cannot refuse launches: stop job starts in Foreman meanwhile");
    return Start{false, false};
  }
  if (!mode.ok()) return mode.error();
  if (!mode->drained.empty()) return Start{false, true};
  if (context.options.is_noop) {
    context.output.say("would refuse launches from now on");
    return Start{false, true};
  }
  if (const auto done = proxy.drain(true); !done.ok()) return done.error();
  context.output.say("launches are refused from now on");
  return Start{true, true};
}

Result<ExitCode> run_drain(Context& context) {
  const auto timeout = context.arguments.number("timeout");
  if (!timeout) return timeout.error();
  auto proxy = proxy_of(context);
  if (!proxy) return proxy.error();
  const auto start = begin_drain(**proxy, context);
  if (!start) return start.error();
  const Deadline deadline = Deadline::after(*timeout ? std::chrono::seconds(**timeout) : std::chrono::hours(24 * 365));
  Deadline patience = Deadline::after(kProxyPatience);
  std::set<std::string> cancelled;
  std::int64_t most = 0;
  remember_interrupts();
  while (true) {
    const auto left = (*proxy)->running_tasks();
    if (left.ok()) {
      patience = Deadline::after(kProxyPatience);
      most = std::max(most, *left);
      context.output.document()["running"] = *left;
      context.output.document()["cancelled"] = cancelled.size();
      if (context.options.is_noop) context.output.say(fmt::format("{} jobs run", *left));
      if (*left == 0 || context.options.is_noop) return start->is_changed ? ExitCode::kChanged : ExitCode::kFine;
      context.output.progress(static_cast<std::size_t>(most - *left), static_cast<std::size_t>(most), "jobs ended");
    } else if (!is_transient(left.error().code()) || patience.has_passed()) {
      return left.error();
    }
    if (deadline.has_passed() || is_interrupted()) {
      context.output.warn(fmt::format("{}{}", left.ok() ? fmt::format("{} jobs still run", *left) : left.error().message(),
                                      start->can_refuse ? "; launches stay refused, undrain takes them again" : ""));
      return ExitCode::kJobsRun;
    }
    if (context.arguments.has("cancel")) {
      if (const auto mode = (*proxy)->mode(); mode.ok()) cancel_new(**proxy, mode->task_ids, cancelled, context.output);
    }
    pause_between_looks();
  }
}

Result<ExitCode> run_undrain(Context& context) {
  auto proxy = proxy_of(context);
  if (!proxy) return proxy.error();
  const auto mode = (*proxy)->mode();
  if (!mode.ok()) return mode.error();
  if (mode->drained.empty()) {
    context.output.say("nothing to do: launches are taken");
    return ExitCode::kFine;
  }
  context.output.say(fmt::format("launches were refused since {}", mode->drained));
  if (context.options.is_noop) return ExitCode::kFine;
  if (const auto done = (*proxy)->drain(false); !done.ok()) return done.error();
  context.output.say("launches are taken again");
  return ExitCode::kChanged;
}

constexpr std::array kCommands = {
    Command{"drain", "Refuse launches (503) and wait until no job runs; Foreman chooses other proxies meanwhile", kDrainOptions, run_drain},
    Command{"undrain", "Take launches again", {}, run_undrain},
};

}  // namespace

std::span<const Command> drain_commands() { return kCommands; }

}  // namespace dynflow::migration
