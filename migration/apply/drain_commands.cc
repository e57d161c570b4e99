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

constexpr Option kCore{"core", OptionKind::kFlag, "", "The core service instead of the proxy: for one with a Ruby proxy in front"};
constexpr std::array kDrainOptions = {
    Option{"timeout", OptionKind::kValue, "SECONDS", "Wait so long; default: for ever"},
    Option{"cancel", OptionKind::kFlag, "", "Cancel what runs instead of waiting for it"}, kCore};
constexpr std::array kUndrainOptions = {kCore};
constexpr std::chrono::minutes kProxyPatience{5};  // for a proxy that restarts

struct Running {
  std::int64_t count = 0;
  std::vector<std::string> ids;  // some of them
};

// What runs empty.
class Place {
 public:
  virtual ~Place() = default;
  // Since when and why launches are refused; empty: they are taken. kNotFound: it cannot refuse them.
  virtual Result<std::string> drained() = 0;
  virtual Status set(bool is_drained) = 0;
  virtual Result<Running> running() = 0;
  virtual Status cancel(const std::string& id) = 0;
};

class ProxyPlace final : public Place {
 public:
  explicit ProxyPlace(std::unique_ptr<RunningProxy> proxy) : proxy_(std::move(proxy)) {}

  Result<std::string> drained() override {
    const auto mode = proxy_->mode();
    return mode.ok() ? Result<std::string>(mode->drained) : Result<std::string>(mode.error());
  }
  Status set(bool is_drained) override {
    const auto done = proxy_->drain(is_drained);
    return done.ok() ? Status() : Status(done.error());
  }
  Result<Running> running() override {
    const auto count = proxy_->running_tasks();
    if (!count) return count.error();
    Running running{*count, {}};
    if (const auto mode = proxy_->mode(); mode.ok()) running.ids = mode->task_ids;
    return running;
  }
  Status cancel(const std::string& id) override { return proxy_->cancel(id); }

 private:
  std::unique_ptr<RunningProxy> proxy_;
};

class CorePlace final : public Place {
 public:
  explicit CorePlace(std::unique_ptr<RunningProxy> core) : core_(std::move(core)) {}

  Result<std::string> drained() override {
    const auto document = document_of(core_->get("/drain"));
    if (!document) return document.error();
    const Json* drained = json::find(*document, "drained");
    if (drained == nullptr || !drained->is_object()) return std::string();
    return fmt::format("{} ({})", json::get_string(*drained, "since"), json::get_string(*drained, "reason"));
  }
  Status set(bool is_drained) override {
    const auto done = core_->post("/drain", json::dump(Json{{"action", is_drained ? "drain" : "undrain"}}));
    return done ? Status() : Status(done.error());
  }
  Result<Running> running() override {
    const auto document = document_of(core_->get("/tasks/unfinished?limit=50"));
    if (!document) return document.error();
    Running running{json::get_int(*document, "count", 0) + json::get_int(*document, "callbacks", 0), {}};
    const Json* ids = json::find(*document, "task_ids");
    for (const Json& id : ids != nullptr && ids->is_array() ? *ids : Json::array()) {
      if (id.is_string()) running.ids.push_back(id.get<std::string>());
    }
    return running;
  }
  Status cancel(const std::string& id) override {
    const auto done = core_->post(fmt::format("/tasks/{}/cancel", id), "{}");
    return done ? Status() : Status(done.error());
  }

 private:
  static Result<Json> document_of(const Result<std::string>& text) {
    if (!text) return text.error();
    auto document = json::parse(*text);
    if (!document.ok() || !document->is_object()) return Error(Code::kBadPeer, "the core service does not answer with a JSON object");
    return document;
  }

  std::unique_ptr<RunningProxy> core_;
};

Result<std::unique_ptr<Place>> place_of(Context& context) {
  const Layout layout = Layout::of(context.options);
  const auto services = services_of(layout);
  const Site site = read_site(layout, *services);
  const bool is_core = context.arguments.has("core");
  auto found = is_core ? RunningProxy::find_core(site) : RunningProxy::find(site, context.options);
  if (!found) return found.error();
  if (is_core) return std::unique_ptr<Place>(std::make_unique<CorePlace>(*std::move(found)));
  return std::unique_ptr<Place>(std::make_unique<ProxyPlace>(*std::move(found)));
}

// Each task once: cancelling takes its time, and a second try would enforce it.
void cancel_new(Place& place, const std::vector<std::string>& ids, std::set<std::string>& cancelled, Output& output) {
  for (const std::string& id : ids) {
    if (!cancelled.insert(id).second) continue;
    if (const Status done = place.cancel(id); !done && done.error().code() != Code::kNotFound) output.warn(fmt::format("{}: {}", id, done.error().message()));
  }
}

struct Start {
  bool is_changed = false;
  bool can_refuse = true;
};

Result<Start> begin_drain(Place& place, Context& context) {
  const auto drained = place.drained();
  if (!drained.ok() && drained.error().code() == Code::kNotFound) {
    context.output.warn("this one cannot refuse launches: stop job starts in Foreman meanwhile");
    return Start{false, false};
  }
  if (!drained.ok()) return drained.error();
  if (!drained->empty()) return Start{false, true};
  if (context.options.is_noop) {
    context.output.say("would refuse launches from now on");
    return Start{false, true};
  }
  if (const Status done = place.set(true); !done) return done.error();
  context.output.say("launches are refused from now on");
  return Start{true, true};
}

Result<ExitCode> run_drain(Context& context) {
  const auto timeout = context.arguments.number("timeout");
  if (!timeout) return timeout.error();
  const auto place = place_of(context);
  if (!place) return place.error();
  const auto start = begin_drain(**place, context);
  if (!start) return start.error();
  const Deadline deadline = Deadline::after(*timeout ? std::chrono::seconds(**timeout) : std::chrono::hours(24 * 365));
  Deadline patience = Deadline::after(kProxyPatience);
  std::set<std::string> cancelled;
  std::int64_t most = 0;
  remember_interrupts();
  Pace pace;
  while (true) {
    pace.begin();
    const auto left = (*place)->running();
    if (left.ok()) {
      patience = Deadline::after(kProxyPatience);
      most = std::max(most, left->count);
      context.output.document()["running"] = left->count;
      context.output.document()["cancelled"] = cancelled.size();
      if (context.options.is_noop) context.output.say(fmt::format("{} jobs run", left->count));
      if (left->count == 0 || context.options.is_noop) return start->is_changed ? ExitCode::kChanged : ExitCode::kFine;
      context.output.progress(static_cast<std::size_t>(most - left->count), static_cast<std::size_t>(most), "jobs ended");
    } else if (!is_transient(left.error().code()) || patience.has_passed()) {
      return left.error();
    }
    if (deadline.has_passed() || is_interrupted()) {
      context.output.warn(fmt::format("{}{}", left.ok() ? fmt::format("{} jobs still run", left->count) : left.error().message(),
                                      start->can_refuse ? "; launches stay refused, undrain takes them again" : ""));
      return ExitCode::kJobsRun;
    }
    if (left.ok() && context.arguments.has("cancel")) cancel_new(**place, left->ids, cancelled, context.output);
    pace.pause();
  }
}

Result<ExitCode> run_undrain(Context& context) {
  const auto place = place_of(context);
  if (!place) return place.error();
  const auto drained = (*place)->drained();
  if (!drained.ok()) return drained.error();
  if (drained->empty()) {
    context.output.say("nothing to do: launches are taken");
    return ExitCode::kFine;
  }
  context.output.say(fmt::format("launches were refused since {}", *drained));
  if (context.options.is_noop) return ExitCode::kFine;
  if (const Status done = (*place)->set(false); !done) return done.error();
  context.output.say("launches are taken again");
  return ExitCode::kChanged;
}

constexpr std::array kCommands = {
    Command{"drain", "Refuse launches (503) and wait until no job runs; Foreman chooses other proxies meanwhile", kDrainOptions, run_drain},
    Command{"undrain", "Take launches again", kUndrainOptions, run_undrain},
};

}  // namespace

std::span<const Command> drain_commands() { return kCommands; }

}  // namespace dynflow::migration
