#include "proxy/program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "proxy/configuration.h"
#include "proxy/dynflow/core_loader.h"
#include "proxy/host/host.h"
#include "proxy/host/version.h"
#include "shared/base/signals.h"
#include "shared/daemon/instance_lock.h"
#include "shared/daemon/supervisor.h"
#include "shared/http/server.h"
#include "shared/log/setup.h"
#include "shared/net/socket.h"
#include "shared/net/tls_holder.h"

namespace dynflow::proxy {
namespace {

using namespace std::chrono_literals;

// After :shutdown_grace: what still waits for others is told to end, and has this long to send its 503; then running steps of
// jobs have the rest. Together below the unit's TimeoutStopSec.
constexpr Duration kLastWords = 2s;
constexpr Duration kModuleGrace = 15s;

// How long the process before may take to end, when it has given us its sockets and connections wait in them.
constexpr Duration kPredecessorPatience = 120s;
constexpr Duration kBetweenLooks = 20ms;

// Threads are started when needed. Jobs have more than the relay has connections, and leave some for the proxy's own routes, so that
// neither a core that hangs nor a flood of launches holds those up. What does not fit gets 503 at once.
constexpr std::size_t kMostWorkers = 96;
constexpr std::size_t kMostJobWorkers = 72;
constexpr std::size_t kLongestQueue = 512;

constexpr std::string_view kHttp = "http";
constexpr std::string_view kHttps = "https";

bool is_about_jobs(std::string_view target) {
  constexpr std::string_view kJobs = "/dynflow/";
  // Orders about the mode have to get through, when nothing else does.
  return target.starts_with(kJobs) && !target.starts_with("/dynflow/mode");
}

RequestTrace trace_of_environment() {
  auto trace = RequestTrace::from(std::getenv("FOREMAN_PROXY_TRACE"), std::getenv("FOREMAN_LOG_MAX_BODY_SIZE"));
  if (!trace) {
    log::warn({}, "{}; {} counts", trace.error().message(), RequestTrace::kShortBody);
    trace = RequestTrace(RequestTrace::kShortBody);
  }
  if (trace->is_on()) log::info({}, "FOREMAN_PROXY_TRACE is set: headers and short bodies of requests are logged, at the level DEBUG");
  return *trace;
}

class Program {
 public:
  explicit Program(std::filesystem::path config_dir) : config_dir_(std::move(config_dir)) {}

  // `inherited`: sockets that the process before had, or that a socket unit gives. With them the end of the process before is
  // waited for; `pause` sleeps for a moment, and returns false when the wait is to be given up.
  Status start(std::vector<daemon::NamedSocket> inherited, const std::function<bool()>& pause);
  void reload();
  void stop();
  // What an administrator asks for who thinks that it hangs (upstream: a dump of its threads).
  void tell_load() const;
  // False when it hangs: a watchdog may end it.
  bool is_alive() { return !server_ || server_->has_turned(); }

 private:
  Status load_certificate(const Configuration& configuration);
  Status open_listeners(std::vector<daemon::NamedSocket> inherited);
  Status wait_for_predecessor(const std::function<bool()>& pause);
  Status start_server();
  Status take_over_settings(Configuration fresh);
  void renew_certificate(const Configuration& fresh);
  void name_what_waits(const Configuration& fresh) const;

  const std::filesystem::path config_dir_;
  std::optional<Configuration> started_with_;  // what counts until the next start
  std::chrono::seconds shutdown_grace_{10};
  std::shared_ptr<log::Buffer> buffer_;  // owners: this, the logger and the host
  net::TlsHolder certificate_;
  daemon::OpenListeners listeners_;
  bool has_successor_ = false;  // somebody else has the sockets, too: connections may wait in them
  daemon::InstanceLock lock_;
  std::shared_ptr<Authorization> authorization_;  // owners: this, the host and its modules
  std::shared_ptr<Authorization> metrics_readers_;  // owners: this and the host
  DynflowModule* dynflow_ = nullptr;              // the host's
  std::unique_ptr<Host> host_;
  std::unique_ptr<http::Server> server_;
};

Status Program::start(std::vector<daemon::NamedSocket> inherited, const std::function<bool()>& pause) {
  auto loaded = load_configuration(config_dir_);
  if (!loaded) return loaded.error();
  started_with_ = *std::move(loaded);
  const Configuration& configuration = *started_with_;
  const settings::GlobalSettings& global = configuration.global;
  shutdown_grace_ = global.shutdown_grace;
  auto buffer = log::Buffer::create(global.log_buffer, global.log_buffer_errors);
  if (!buffer) return buffer.error().in(global.values.place("log_buffer"));
  buffer_ = *std::move(buffer);
  if (Status done = log::configure(global.log_options(buffer_)); !done) return done;
  for (const std::string& warning : configuration.warnings()) log::warn({}, "{}", warning);
  for (const settings::Values* values : configuration.tables()) {
    const std::string_view file = values->table().file;
    log::debug({}, "'{}' settings: {}", file.substr(0, file.rfind('.')), settings::shown_settings(*values));
  }
  for (const settings::ModuleSettings* module : configuration.modules()) {
    const std::string_view file = module->values.table().file;
    log::debug({}, "'{}' ports: 'http': {}, 'https': {}", file.substr(0, file.rfind('.')), module->enabled.http, module->enabled.https);
  }

  // The addresses are taken before anything is started: a second proxy on this port must not touch the first one's jobs.
  if (Status certificate = load_certificate(configuration); !certificate) return certificate;
  if (Status opened = open_listeners(std::move(inherited)); !opened) return opened;

  auto dynflow = dynflow_options(configuration, executable_folder());
  if (!dynflow) return dynflow.error();
  auto script = script_options(configuration);
  if (!script) return script.error();
  // As from outside, so that only the main thread reloads.
  dynflow->ask_reload = [] { ::kill(::getpid(), SIGHUP); };
  dynflow->sides_now = [folder = config_dir_]() -> Result<DynflowOptions::Sides> {
    const auto now = load_configuration(folder);
    if (!now) return now.error();
    auto options = dynflow_options(*now, executable_folder());
    if (!options) return options.error();
    return DynflowOptions::Sides{std::move(options->core), std::move(options->relay)};
  };
  // What can be wrong with the settings was found; from here on the process before is needed no more.
  if (Status waited = wait_for_predecessor(pause); !waited) return waited;

  authorization_ = std::make_shared<Authorization>(trust_policy(configuration), system_host_names(resolver_limit(configuration)));
  Host::Parts parts;
  parts.authorization = authorization_;
  auto module = std::make_unique<DynflowModule>(*std::move(dynflow), authorization_);
  dynflow_ = module.get();
  parts.modules.push_back(std::move(module));
  parts.modules.push_back(std::make_unique<ScriptModule>(*std::move(script)));
  parts.logs = logs_feature(configuration);
  parts.buffer = buffer_;
  metrics_readers_ = std::make_shared<Authorization>(metrics_policy(configuration), system_host_names(resolver_limit(configuration)));
  parts.metrics_readers = metrics_readers_;
  parts.trace = trace_of_environment();
  parts.load = [this] { return server_->load(); };
  host_ = std::make_unique<Host>(std::move(parts));
  host_->start_modules();
  return start_server();
}

Status Program::start_server() {
  const std::size_t sockets = listeners_.sockets.size();
  http::ServerOptions options;
  for (daemon::OpenListener& one : listeners_.sockets) {
    http::ListenerOptions& listener = options.listeners.emplace_back();
    listener.adopted = std::move(one.socket.fd);
    if (one.kind == kHttps) listener.tls = [this] { return certificate_.get(); };
  }
  options.max_workers = kMostWorkers;
  options.max_background_workers = kMostJobWorkers;
  options.max_queue = kLongestQueue;
  options.lane = [](const http::RequestHead& head) { return is_about_jobs(head.target) ? http::Lane::kBackground : http::Lane::kForeground; };
  options.request_deadline = started_with_->dynflow.core_timeout;
  options.max_connections = started_with_->global.connection_limits.total;
  options.max_connections_per_peer = started_with_->global.connection_limits.per_client;
  options.server_header = fmt::format("foreman-proxy/{}", kHostVersion);
  server_ = std::make_unique<http::Server>(std::move(options));
  if (Status served = server_->start([this](http::Request& request) { return host_->handle(request); }); !served) return served;
  log::info({}, "Smart proxy has launched on {} socket(s), waiting for requests", sockets);
  return {};
}

Status Program::load_certificate(const Configuration& configuration) {
  if (!configuration.global.has_https()) {
    log::warn({}, "Missing SSL setup, https is disabled.");
    return {};
  }
  auto context = net::TlsServerContext::create(tls_options(configuration));
  if (!context) return context.error();
  if ((*context)->expires() <= system_clock().now()) {
    log::error({}, "The certificate {} has expired: clients will refuse it", *configuration.global.ssl_certificate);
  }
  certificate_.set(*std::move(context));
  return {};
}

Status Program::open_listeners(std::vector<daemon::NamedSocket> inherited) {
  const settings::GlobalSettings& global = started_with_->global;
  if (!global.http_port && !global.has_https()) return Error(Code::kInvalid, "Both http and https are disabled, unable to start.");
  std::vector<daemon::WantedListener> wanted;
  for (const std::string& host : global.bind_host) {
    if (global.http_port) wanted.push_back({std::string(kHttp), host, *global.http_port});
    if (global.has_https()) wanted.push_back({std::string(kHttps), host, global.https_port});
  }
  has_successor_ = !inherited.empty();
  auto opened = daemon::open_listeners(wanted, std::move(inherited));
  if (!opened) return opened.error();
  listeners_ = *std::move(opened);
  has_successor_ = daemon::keep_sockets(listeners_) || has_successor_;
  return {};
}

Status Program::wait_for_predecessor(const std::function<bool()>& pause) {
  const std::filesystem::path folder = started_with_->global.state_directory;
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) return {};
  const bool is_inherited = std::any_of(listeners_.sockets.begin(), listeners_.sockets.end(), [](const auto& one) { return one.is_inherited; });
  bool has_told = false;
  const auto wait = [&] {
    if (!has_told) log::info({}, "Another process still works with {}: waiting for its end", folder.string());
    has_told = true;
    return pause();
  };
  auto lock = daemon::InstanceLock::acquire(folder / "smart-proxy.lock", Deadline::after(is_inherited ? kPredecessorPatience : 0s), wait);
  if (lock) {
    lock_ = *std::move(lock);
  } else if (lock.error().code() == Code::kConflict) {
    return lock.error();
  } else {
    // A folder of somebody else: the mode is not remembered there either, so that two processes have nothing to fight for.
    log::error({}, "Another process that works with {} would not be noticed: {}", folder.string(), lock.error().message());
  }
  return {};
}

void Program::reload() {
  daemon::tell_reloading();
  log::info({}, "Reading settings and certificates again");
  auto fresh = load_configuration(config_dir_);
  const Status done = fresh ? take_over_settings(*std::move(fresh)) : Status(fresh.error());
  if (!done) log::error({}, "The old settings stay: {}", done.error().message());
  daemon::tell_ready();
}

Status Program::take_over_settings(Configuration fresh) {
  // All that can be wrong comes first: half of a change is worse than none.
  const auto dynflow = dynflow_options(fresh, executable_folder());
  if (!dynflow) return dynflow.error();
  if (const auto script = script_options(fresh); !script) return script.error();
  // What failed at the start already holds nothing up, a new certificate least of all.
  if (const auto failures = fresh.new_failures(*started_with_); !failures.empty()) return Error(Code::kInvalid, fmt::format("{}", fmt::join(failures, "; ")));
  if (Status configured = log::configure(fresh.global.log_options(buffer_)); !configured) return configured;
  for (const std::string& warning : fresh.warnings()) log::warn({}, "{}", warning);
  renew_certificate(fresh);
  authorization_->replace(trust_policy(fresh), system_host_names(resolver_limit(fresh)));
  metrics_readers_->replace(metrics_policy(fresh), system_host_names(resolver_limit(fresh)));
  shutdown_grace_ = fresh.global.shutdown_grace;
  name_what_waits(fresh);
  // Last, as it asks the other side and may take a while.
  dynflow_->reload(*dynflow);
  log::info({}, "The settings were read again");
  return {};
}

void Program::renew_certificate(const Configuration& fresh) {
  const settings::GlobalSettings& global = fresh.global;
  if (!certificate_.get() || !global.has_https()) {
    if (certificate_.get() || global.has_https()) log::warn({}, "The https listener {} at the next start", global.has_https() ? "comes" : "goes");
    return;
  }
  auto context = net::TlsServerContext::create(tls_options(fresh));
  if (!context) {
    log::error({}, "The old certificate stays: {}", context.error().message());
  } else if ((*context)->expires() <= system_clock().now()) {
    log::error({}, "The old certificate stays: {} has expired", *global.ssl_certificate);
  } else {
    certificate_.set(*std::move(context));
  }
}

void Program::name_what_waits(const Configuration& fresh) const {
  const auto old_tables = started_with_->tables();
  const auto new_tables = fresh.tables();
  for (std::size_t i = 0; i < new_tables.size(); ++i) {
    for (const std::string_view key : settings::changed_keys(*old_tables[i], *new_tables[i])) {
      if (settings::is_taken_at_reload(new_tables[i]->table(), key)) continue;
      const bool may_be_sooner = settings::is_taken_by_new_side(new_tables[i]->table(), key);
      log::warn({}, "{}: the change of :{}: takes effect at the next start{}", new_tables[i]->place(key), key,
                may_be_sooner ? ", or when a change of the mode brings in anew the side that it is about" : "");
    }
  }
}

void Program::tell_load() const {
  const http::Server::Load load = server_->load();
  log::info({}, "Load: {} connections, {} requests wait for a worker, {} workers of {} were started", load.connections, load.queued,
            load.workers, load.workers_max);
}

void Program::stop() {
  if (server_) {
    log::info({}, "Shutting down: no new requests");
    server_->drain(has_successor_ ? http::Server::Latecomers::kWait : http::Server::Latecomers::kRefused, Deadline::after(shutdown_grace_));
    host_->interrupt_modules();
    server_->stop(Deadline::after(kLastWords));
  }
  if (host_) host_->stop_modules(Deadline::after(kModuleGrace));
}

}  // namespace

int run(const std::filesystem::path& config_dir) {
  SignalWaiter signals{SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGTTIN};
  Program program(config_dir);
  bool is_ended = false;
  const auto pause = [&] {
    const int signal = signals.wait(kBetweenLooks).value_or(0);
    is_ended = is_ended || signal == SIGTERM || signal == SIGINT;
    return !is_ended;
  };
  if (const Status started = program.start(daemon::take_sockets(), pause); !started) {
    if (is_ended) return 0;
    log::error({}, "Error during startup, terminating: {}", started.error().message());
    fmt::print("Errors detected on startup, see log for details. Exiting: {}\n", started.error().message());
    program.stop();
    return 1;
  }
  daemon::tell_ready();
  const std::optional<Duration> watchdog = daemon::watchdog_interval();
  while (true) {
    if (watchdog && program.is_alive()) daemon::tell_alive();
    switch (signals.wait(watchdog.value_or(24h)).value_or(0)) {
      case SIGHUP: program.reload(); break;
      case SIGUSR1: log::reopen(); break;
      case SIGTTIN: program.tell_load(); break;
      case SIGTERM:
      case SIGINT:
        daemon::tell_stopping();
        program.stop();
        log::info({}, "Smart proxy has ended");
        return 0;
      default: break;
    }
  }
}

}  // namespace dynflow::proxy
