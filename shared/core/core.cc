#include "shared/core/core.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "shared/api/answers.h"
#include "shared/api/api.h"
#include "shared/api/console/console.h"
#include "shared/callback/callback_action.h"
#include "shared/callback/foreman_client.h"
#include "shared/callback/outbox.h"
#include "shared/core/cleaner.h"
#include "shared/core/database_choice.h"
#include "shared/core/key_file_secrets.h"
#include "shared/core/metrics.h"
#include "shared/core/plugin_path.h"
#include "shared/core/plugin_settings.h"
#include "shared/engine/registry.h"
#include "shared/engine/world.h"
#include "shared/launcher/batch_action.h"
#include "shared/launcher/launcher.h"
#include "shared/log/log.h"
#include "shared/persistence/postgres/postgres_store.h"
#include "shared/persistence/sqlite/sqlite_store.h"
#include "shared/plugin/loader.h"
#include "shared/runner/dispatcher.h"
#include "shared/runner/runner_action.h"

namespace dynflow::core {
namespace {

static_assert(api::kExternalEvent == runner::kExternalEvent, "the routes and the runners speak of the same event");
static_assert(callback::kCallbackAction == runner::kCallbackAction);

constexpr std::string_view kMetricsPath = "/metrics";
constexpr std::size_t kMostEngineThreads = 4;
// Callbacks of the last tasks go out before the end: a database in memory would lose them.
constexpr std::chrono::seconds kLastCallbacks{2};

class CoreImpl final : public Core {
 public:
  explicit CoreImpl(CoreOptions options) : options_(std::move(options)) {}
  ~CoreImpl() override { stop(Deadline::after(std::chrono::seconds(0))); }

  Status start() override;
  void stop(Deadline deadline) override;
  http::Response handle(http::Request& request, std::string_view path, const Authorize& authorize) override;
  std::vector<std::string> operations() const override { return launchers_.operations(); }
  std::vector<FeatureInfo> features() const override;
  std::vector<FailedPlugin> failed_plugins() const override { return failed_plugins_; }

 private:
  Status open_store();
  Status make_parts();
  void load_plugins();
  std::string metrics();

  const CoreOptions options_;
  std::atomic<bool> is_serving_{false};
  bool is_stopped_ = false;

  // In the order in which they need each other; destroyed in the opposite one.
  std::unique_ptr<persistence::Store> store_;
  engine::ActionRegistry actions_;
  launcher::LauncherRegistry launchers_;
  launcher::OneTimePasswords passwords_;
  callback::CallbackObserver observer_{system_clock()};
  runner::DropObserver drops_;
  PlanNumbers plan_numbers_;
  std::unique_ptr<callback::ForemanClient> foreman_;
  std::unique_ptr<engine::SecretKeeper> secrets_;
  std::unique_ptr<engine::Scheduler> scheduler_;
  std::optional<engine::World> world_;
  std::optional<callback::Outbox> outbox_;
  std::optional<runner::Dispatcher> dispatcher_;
  std::vector<plugin::Feature> features_;
  std::vector<FailedPlugin> failed_plugins_;  // as features_: complete before the first request
  std::optional<plugin::Context> context_;
  std::optional<plugin::Plugins> plugins_;
  std::optional<api::Api> api_;
  std::optional<api::console::Console> console_;
  std::optional<Cleaner> cleaner_;
};

Status CoreImpl::open_store() {
  persistence::StoreOptions options;
  auto database = choose_database(options_.database, std::getenv("DYNFLOW_DB_CONN_STRING"));
  if (!database) return database.error();
  options.database = std::move(*database);
  if (options.database.empty()) {
    // smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/proxy_adapter.rb and core.rb:27-42.
    log::info({}, "Using in-memory database (default behaviour). Restart will drop all dynflow data.");
  }
  auto store = is_postgres(options.database) ? persistence::open_postgres_store(options) : persistence::open_sqlite_store(options);
  if (!store) return store.error();
  store_ = std::move(*store);
  return store_->start();
}

Status CoreImpl::make_parts() {
  auto foreman = callback::make_foreman_client({options_.foreman.url, options_.foreman.ca_file, options_.foreman.certificate_file,
                                                options_.foreman.key_file, callback::OutboxOptions().connections});
  if (!foreman) return foreman.error();
  foreman_ = std::move(*foreman);

  if (Status done = launcher::register_batch_actions(actions_); !done) return done;
  if (Status done = callback::register_callback_action(actions_); !done) return done;
  if (Status done = launchers_.add("single", launcher::make_single_launcher()); !done) return done;

  if (!options_.secrets_key_file.empty()) {
    auto secrets = make_key_file_secrets(options_.secrets_key_file);
    if (!secrets) return secrets.error().in(":secrets_key_file:");
    secrets_ = std::move(*secrets);
  }
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  scheduler_ = engine::make_thread_scheduler(std::min(kMostEngineThreads, cores));
  engine::WorldOptions world;
  world.store = store_.get();
  world.registry = &actions_;
  world.scheduler = scheduler_.get();
  world.observers = {&observer_, &drops_, &plan_numbers_};
  world.secrets = secrets_.get();
  world_.emplace(std::move(world));
  outbox_.emplace(*store_, *foreman_, callback::data_from(*world_, observer_.ended_plans()), callback::OutboxOptions());
  observer_.set_outbox(&*outbox_);
  const settings::RunnerLimits& limits = options_.runner_limits;
  dispatcher_.emplace(*world_, runner::DispatcherOptions{limits.max_running, limits.max_running_per_job,
                                                         limits.max_output_bytes});
  drops_.set_dispatcher(&*dispatcher_);
  api_.emplace(*world_, launchers_, passwords_);
  console_.emplace(*world_);
  cleaner_.emplace(*store_, options_.cleaner_age, options_.backup_folder);
  return {};
}

// What one plugin lacks is no reason to take the others away.
void CoreImpl::load_plugins() {
  context_.emplace(plugin::Context{
      actions_, launchers_, *dispatcher_, passwords_,
      [this](const std::string& name) { return plugin_settings(options_.settings_directories, name); },
      options_.log_level, features_});
  plugins_.emplace(*context_);
  std::vector<std::string> files = options_.plugins;
  for (std::string& path : plugins_from_environment()) files.push_back(std::move(path));
  for (const std::string& file : files) {
    const auto loaded = plugins_->load(options_.plugin_directory / file);
    if (loaded) {
      log::info({}, "plugin {} {} loaded", loaded->name, loaded->version);
    } else if (loaded.error().code() == Code::kNotFound) {
      log::info({}, "plugin {}", loaded.error().message());
    } else {
      std::string reason = loaded.error().message();
      std::replace(reason.begin(), reason.end(), '\n', ' ');
      log::error({}, "plugin {}", reason);
      failed_plugins_.push_back({std::filesystem::path(file).filename().string(), std::move(reason)});
    }
  }
}

Status CoreImpl::start() {
  if (is_serving_) return {};
  if (is_stopped_) return Error(Code::kClosed, "a core that was stopped does not start again");
  const auto fail = [this](const Error& error) {
    stop(Deadline::after(std::chrono::seconds(0)));
    return error;
  };
  if (Status done = open_store(); !done) return fail(done.error());
  if (Status done = make_parts(); !done) return fail(done.error());
  load_plugins();
  // The world takes up plans that an earlier process left: what they need has to run by then.
  dispatcher_->start();
  if (Status done = world_->start(); !done) return fail(done.error());
  outbox_->start();
  cleaner_->start();
  is_serving_ = true;
  return {};
}

void CoreImpl::stop(Deadline deadline) {
  if (std::exchange(is_stopped_, true)) return;
  is_serving_ = false;
  if (api_) api_->stop_launching();
  if (cleaner_) cleaner_->stop();
  // The world first, so that no step hands work to runners that are gone; and once more for what runners said at last.
  if (world_) world_->stop(deadline);
  if (dispatcher_) dispatcher_->stop();
  drops_.set_dispatcher(nullptr);
  if (world_) world_->stop(deadline);
  if (plugins_) plugins_->stop();
  if (outbox_) outbox_->stop(deadline.sooner(Deadline::after(kLastCallbacks)));
  // The last that is written; from now on others may take up what is unfinished.
  if (world_) world_->leave();
  if (scheduler_) scheduler_->stop();
  if (store_) store_->stop();
}

http::Response CoreImpl::handle(http::Request& request, std::string_view path, const Authorize& authorize) {
  if (!is_serving_) return api::error_answer(503, "The Dynflow core is not running");
  if (path == kMetricsPath) {
    if (auto refusal = authorize(request)) return std::move(*refusal);
    const bool is_read = request.method == "GET" || request.method == "HEAD";
    return is_read ? http::text_response(200, metrics(), metrics::kContentType) : api::not_found_answer();
  }
  if (api::console::Console::is_own(path)) {
    if (options_.console_auth) {
      if (auto refusal = authorize(request)) return std::move(*refusal);
    }
    return console_->handle(request, path);
  }
  return api_->handle(request, path, authorize);
}

std::string CoreImpl::metrics() {
  return metrics_text({*store_, *world_, *dispatcher_, options_.runner_limits.max_running, *outbox_, plan_numbers_});
}

std::vector<FeatureInfo> CoreImpl::features() const {
  std::vector<FeatureInfo> all;
  for (const plugin::Feature& feature : features_) all.push_back({feature.name, feature.version, feature.capabilities});
  return all;
}

}  // namespace

std::unique_ptr<Core> make_core(CoreOptions options) { return std::make_unique<CoreImpl>(std::move(options)); }

}  // namespace dynflow::core

extern "C" __attribute__((visibility("default"))) dynflow::core::Core* dynflow_core_v1(
    std::uint32_t face_version, const dynflow::core::CoreOptions* options) {
  if (face_version != dynflow::core::kFaceVersion || options == nullptr) return nullptr;
  try {
    return dynflow::core::make_core(*options).release();
  } catch (const std::exception& e) {
    dynflow::log::error({}, "the core cannot be made: {}", e.what());
    return nullptr;
  }
}
