#include "proxy/dynflow/dynflow_module.h"

#include <fmt/format.h>

#include <algorithm>

#include "proxy/dynflow/core_loader.h"
#include "proxy/dynflow/in_process.h"
#include "proxy/dynflow/relay_headers.h"
#include "proxy/host/host.h"
#include "proxy/host/version.h"
#include "shared/log/log.h"

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
  auto backend = make_backend();
  if (backend) {
    if (const Status started = (*backend)->start(); !started) backend = started.error();
  }
  if (!backend) {
    state_ = ModuleState::kFailed;
    return backend.error();
  }
  backend_ = *std::move(backend);
  state_ = ModuleState::kRunning;
  return {};
}

Result<std::unique_ptr<Backend>> DynflowModule::make_backend() {
  // With `external_core: true` nothing is loaded, not even to look: the proxy stays as small as it can be.
  Result<CoreLibrary> library = Error(Code::kUnavailable, "not looked for");
  if (options_.external_core != ExternalCore::kTrue) library = CoreLibrary::load(options_.executable_folder);

  const ModeRule& rule = decide_mode(options_.external_core, library.ok());
  mode_ = rule.mode;
  if (mode_ == Mode::kFailed) return Error(Code::kUnavailable, fmt::format("{}: {}", rule.reason, library.error().message()));
  if (mode_ == Mode::kRelay) {
    log::info({}, "Dynflow runs in the core service at {}: {}", options_.relay.core.origin(), rule.reason);
    auto relay = Relay::create(options_.relay, authorization_);
    if (!relay) return relay.error();
    return std::unique_ptr<Backend>(*std::move(relay));
  }
  log::info({}, "Dynflow runs in this process with {}: {}", library->path().string(), rule.reason);
  options_.core.plugin_directory = library->path().parent_path();
  for (const ExecutorSwitch& executor : options_.executors) {
    if (executor.enabled.is_on()) options_.core.plugins.push_back(executor.library);
  }
  auto core = library->make(options_.core);
  if (!core) return core.error();
  return std::unique_ptr<Backend>(std::make_unique<InProcess>(*std::move(core), authorization_));
}

void DynflowModule::stop(Deadline deadline) {
  if (backend_) backend_->stop(deadline);
}

bool DynflowModule::serves(bool is_tls) const {
  return state_ == ModuleState::kRunning && (is_tls ? options_.enabled.https : options_.enabled.http);
}

http::Response DynflowModule::handle(http::Request& request) {
  const auto target = core_target(request.target, {});
  if (!target) return not_found_page();
  return backend_->handle(request, std::string_view(*target).substr(0, target->find('?')));
}

Feature DynflowModule::row_of(const ExecutorSwitch& executor, const std::string& name) const {
  Feature row;
  row.name = name;
  row.version = executor.version;
  row.is_on_http = executor.enabled.http;
  row.is_on_https = executor.enabled.https;
  row.state = executor.enabled.is_on() ? state_ : ModuleState::kDisabled;
  if (executor.enabled.is_on() && state_ == ModuleState::kDisabled) {
    row.state = ModuleState::kFailed;
    row.failure = fmt::format("'dynflow' required by '{}' could not be found.", name);
  }
  if (row.state != ModuleState::kRunning || mode_ == Mode::kRelay) return row;

  const auto loaded = backend_->features();
  const auto found = std::find_if(loaded.begin(), loaded.end(), [&](const auto& info) { return info.name == name; });
  if (found == loaded.end()) {
    row.state = ModuleState::kFailed;
    const auto failed = backend_->failed_plugins();
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
  if (backend_) own.capabilities = backend_->operations();
  rows.push_back(std::move(own));

  for (const ExecutorSwitch& executor : options_.executors) {
    for (const std::string& name : executor.features) rows.push_back(row_of(executor, name));
  }
  // What plugins from elsewhere bring (DYNFLOW_PLUGIN_PATH) has no settings file that could switch it off.
  for (core::FeatureInfo& info : backend_ ? backend_->features() : std::vector<core::FeatureInfo>()) {
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
