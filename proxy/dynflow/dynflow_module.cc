#include "proxy/dynflow/dynflow_module.h"

#include <fmt/format.h>

#include <algorithm>

#include "proxy/dynflow/core_loader.h"
#include "proxy/dynflow/in_process.h"
#include "proxy/dynflow/relay_headers.h"
#include "proxy/host/host.h"
#include "proxy/host/version.h"
#include "shared/log/log.h"
#include "shared/metrics/text.h"

namespace dynflow::proxy {

DynflowModule::DynflowModule(DynflowOptions options, std::shared_ptr<const Authorization> authorization)
    : options_(std::move(options)), authorization_(std::move(authorization)) {}

DynflowModule::~DynflowModule() = default;

std::string_view DynflowModule::mount() const { return kMount; }

Status DynflowModule::start() {
  if (!options_.enabled.is_on()) {
    state_ = ModuleState::kDisabled;
    return {};
  }
  state_ = ModuleState::kStarting;
  Status started = options_.failure ? Status(Error(Code::kInvalid, *options_.failure)) : start_control();
  state_ = started ? ModuleState::kRunning : ModuleState::kFailed;
  return started;
}

Status DynflowModule::start_control() {
  auto begin = decide_start();
  if (!begin) return begin.error();
  ModeControl::Options options;
  options.make_own = [this] { return make_own(); };
  options.make_other = [this] { return make_other(); };
  options.file = options_.mode_file;
  options.setting = to_string(options_.external_core);
  options.policy = options_.hand_over;
  auto control = std::make_unique<ModeControl>(std::move(options));
  log::info({}, "Dynflow: {}: {}", to_string(begin->state), begin->reason);
  Status started = control->start(begin->state, std::move(begin->saved), std::move(begin->reason), std::move(begin->drain));
  if (!started) return started;
  control_ = std::move(control);
  tasks_ = std::make_unique<TaskRoutes>(*control_, authorization_, !options_.core.console_auth);
  if (!options_.core.console_auth) log::warn({}, ":console_auth: is false: whoever reaches the console can see and change tasks");
  mode_ = std::make_unique<ModeRoutes>(*control_, authorization_, options_.ask_reload);
  return {};
}

Result<DynflowModule::Start> DynflowModule::decide_start() {
  auto loaded = ModeFile(options_.mode_file).load();
  if (!loaded) log::error({}, "What the mode was is not known: {}", loaded.error().message());
  std::optional<SavedMode> saved = loaded ? *loaded : std::nullopt;
  if (saved && saved->setting == to_string(options_.external_core)) {
    const bool is_possible = row_of(saved->state).target == Side::kOther || library()->ok();
    if (is_possible) return Start{saved->state, saved, saved->reason, saved->drain};
  }
  // With `external_core: true` nothing is loaded, not even to look: the proxy stays as small as it can be.
  const bool is_loadable = options_.external_core != ExternalCore::kTrue && library()->ok();
  const ModeRule& rule = decide_mode(options_.external_core, is_loadable);
  if (rule.mode == Mode::kFailed) return Error(Code::kUnavailable, fmt::format("{}: {}", rule.reason, library()->error().message()));
  const Side target = rule.mode == Mode::kRelay ? Side::kOther : Side::kOwn;
  if (!saved) return Start{settled(target), std::nullopt, std::string(rule.reason)};
  const auto state = next_state(saved->state, target == Side::kOwn ? ModeEvent::kAskInProcess : ModeEvent::kAskExternal);
  return Start{state.value_or(settled(target)), std::nullopt, fmt::format("{} (it was {} before the restart)", rule.reason, saved->setting), saved->drain};
}

DynflowModule::Library DynflowModule::library() {
  const std::lock_guard lock(mutex_);
  if (!library_ || !library_->ok()) library_ = std::make_shared<const Result<CoreLibrary>>(CoreLibrary::load(options_.executable_folder));
  return library_;
}

Result<std::shared_ptr<Backend>> DynflowModule::make_own() {
  const Library found = library();
  if (!found->ok()) return found->error();
  const CoreLibrary& library = **found;
  log::info({}, "Dynflow runs in this process with {}", library.path().string());
  core::CoreOptions core_options = options_.core;
  if (control_ && options_.sides_now) {
    // Whoever moves a site has just written where this core keeps its tasks: what the settings said at the start is of yesterday.
    auto now = options_.sides_now();
    if (!now) return now.error();
    core_options = std::move(now->core);
  }
  core_options.plugin_directory = library.path().parent_path();
  for (const ExecutorSwitch& executor : options_.executors) {
    if (executor.enabled.is_on() && !executor.failure) core_options.plugins.push_back(executor.library);
  }
  auto core = library.make(core_options);
  if (!core) return core.error();
  auto own = std::make_shared<InProcess>(*std::move(core), authorization_);
  if (Status started = own->start(); !started) return started.error();
  return std::shared_ptr<Backend>(std::move(own));
}

Result<std::shared_ptr<Backend>> DynflowModule::make_other() {
  RelayOptions relay_options = options_.relay;
  if (control_ && options_.sides_now) {
    auto now = options_.sides_now();
    if (!now) return now.error();
    relay_options = std::move(now->relay);
  }
  log::info({}, "Dynflow's core service is at {}", relay_options.core.origin());
  auto relay = Relay::create(relay_options, authorization_);
  if (!relay) return relay.error();
  if (Status started = (*relay)->start(); !started) return started.error();
  return std::shared_ptr<Backend>(*std::move(relay));
}

void DynflowModule::stop(Deadline deadline) {
  if (control_) control_->stop(deadline);
}

void DynflowModule::interrupt() {
  if (!control_) return;
  if (const auto other = control_->view().other) other->interrupt();
}

void DynflowModule::reload(const DynflowOptions& fresh) {
  if (!control_) {
    if (fresh.external_core != options_.external_core) {
      log::warn({}, "external_core is {} in the settings now, and dynflow is {}: that takes effect at the next start", to_string(fresh.external_core), to_string(state_));
    }
    return;
  }
  control_->set_policy(fresh.hand_over);
  const std::string wanted(to_string(fresh.external_core));
  if (wanted == control_->setting()) return;
  const bool is_loadable = fresh.external_core != ExternalCore::kTrue && library()->ok();
  const ModeRule& rule = decide_mode(fresh.external_core, is_loadable);
  if (rule.mode == Mode::kFailed) {
    log::error({}, "The mode stays: {}: {}", rule.reason, library()->error().message());
    return;
  }
  const ModeEvent event = rule.mode == Mode::kRelay ? ModeEvent::kAskExternal : ModeEvent::kAskInProcess;
  const auto done = control_->change(event, fmt::format("external_core is {} in the settings now", wanted));
  if (!done) {
    log::error({}, "The mode stays, external_core: {} cannot be followed: {}", wanted, done.error().message());
    return;
  }
  control_->set_setting(wanted);
}

bool DynflowModule::serves(bool is_tls) const {
  return state_ == ModuleState::kRunning && (is_tls ? options_.enabled.https : options_.enabled.http);
}

http::Response DynflowModule::handle(http::Request& request) {
  const auto target = core_target(request.target, {});
  if (!target) return not_found_page();
  const std::string_view path = std::string_view(*target).substr(0, target->find('?'));
  return ModeRoutes::is_own(path) ? mode_->handle(request, path) : tasks_->handle(request, path);
}

std::string DynflowModule::metrics() {
  if (!control_) return {};
  using metrics::Kind;
  const ModeControl::Progress progress = control_->progress();
  metrics::Text text;
  text.family("smart_proxy_dynflow_mode", Kind::kGauge, "1 for the mode that the proxy is in.");
  for (const StateRow& row : kStates) text.sample({{"mode", row.name}}, row.state == progress.state ? 1 : 0);
  text.single("smart_proxy_dynflow_mode_start_time_seconds", Kind::kGauge, "Since when, seconds since 1970.", to_unix_seconds(progress.since));
  if (progress.left) {
    text.single("smart_proxy_dynflow_handover_unfinished_tasks", Kind::kGauge, "Tasks that the side that hands over has to finish.", progress.left->tasks);
    text.single("smart_proxy_dynflow_handover_undelivered_callbacks", Kind::kGauge, "Callbacks that it has to deliver.", progress.left->callbacks);
  }
  text.single("smart_proxy_dynflow_handover_silent_seconds", Kind::kGauge, "For how long the side that hands over could not be asked; 0: it answers, or there is none.",
              progress.silent_for ? to_seconds(*progress.silent_for) : 0.0);
  std::string all = text.take();
  const ModeControl::View view = control_->view();
  for (const auto& side : {view.own, view.other}) {
    if (side) all += side->metrics();
  }
  return all;
}

Feature DynflowModule::feature_row(const ExecutorSwitch& executor, const std::string& name, const Backend* own) const {
  Feature row;
  row.name = name;
  row.version = executor.version;
  row.is_on_http = executor.enabled.http;
  row.is_on_https = executor.enabled.https;
  row.state = executor.enabled.is_on() ? state_ : ModuleState::kDisabled;
  if (executor.enabled.is_on() && (executor.failure || state_ == ModuleState::kDisabled || state_ == ModuleState::kFailed)) {
    row.state = ModuleState::kFailed;
    row.was_not_started = true;
    row.failure = executor.failure.value_or(fmt::format("'dynflow' required by '{}' could not be found.", name));
  }
  if (row.state != ModuleState::kRunning || own == nullptr) return row;

  const auto loaded = own->features();
  const auto found = std::find_if(loaded.begin(), loaded.end(), [&](const auto& info) { return info.name == name; });
  if (found == loaded.end()) {
    row.state = ModuleState::kFailed;
    const auto failed = own->failed_plugins();
    const auto why = std::find_if(failed.begin(), failed.end(), [&](const auto& one) { return one.file == executor.library; });
    row.failure = why != failed.end() ? why->reason : fmt::format("{} is not installed", executor.library);
  } else {
    row.capabilities = found->capabilities;
  }
  return row;
}

std::vector<Feature> DynflowModule::features() const {
  std::vector<Feature> rows;
  Feature own;
  own.name = "dynflow";
  own.version = kDynflowVersion;
  own.is_on_http = options_.enabled.http;
  own.is_on_https = options_.enabled.https;
  own.state = state_;
  // The features are those of the side that takes launches.
  const ModeControl::View view = control_ ? control_->view() : ModeControl::View();
  const std::shared_ptr<Backend>& target = view.side(view.target());
  const Backend* own_core = view.target() == Side::kOwn ? target.get() : nullptr;
  if (target) own.capabilities = target->operations();
  rows.push_back(std::move(own));

  for (const ExecutorSwitch& executor : options_.executors) {
    for (const std::string& name : executor.features) rows.push_back(feature_row(executor, name, own_core));
  }
  // What plugins from elsewhere bring (DYNFLOW_PLUGIN_PATH) has no settings file that could switch it off.
  for (core::FeatureInfo& info : target ? target->features() : std::vector<core::FeatureInfo>()) {
    const bool is_known = std::any_of(rows.begin(), rows.end(), [&](const Feature& row) { return row.name == info.name; });
    if (is_known) continue;
    Feature row = rows.front();
    row.name = std::move(info.name);
    row.version = std::move(info.version);
    row.capabilities = std::move(info.capabilities);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace dynflow::proxy
