#include "core_service/service.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <vector>

#include "core_service/access.h"
#include "core_service/daemon.h"
#include "core_service/drain.h"
#include "shared/base/signals.h"
#include "shared/core/core.h"
#include "shared/core/database_choice.h"
#include "shared/daemon/supervisor.h"
#include "shared/http/server.h"
#include "shared/http/site_guard.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "shared/log/rate_limit.h"
#include "shared/log/setup.h"
#include "shared/metrics/process.h"
#include "shared/metrics/requests.h"
#include "shared/net/peer_certificate.h"
#include "shared/net/tls_holder.h"
#include "shared/settings/core_service.h"

namespace dynflow::core_service {
namespace {

using namespace std::chrono_literals;

constexpr Duration kRequestGrace = 10s;
constexpr Duration kLastWords = 2s;
constexpr Duration kCoreGrace = 15s;

// Launches leave workers for everything else; those that do not fit get 503 at once.
constexpr std::size_t kMostWorkers = 32;
constexpr std::size_t kMostLaunchWorkers = 24;
constexpr std::size_t kLongestQueue = 512;

bool is_launch(const http::RequestHead& head) {
  return head.method == "POST" && (head.target.starts_with("/tasks/launch") || head.target == "/tasks" || head.target == "/tasks/");
}

// The folder of the core library: executor plugins stand beside it.
std::filesystem::path library_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&dynflow_core_v1), &info) == 0 || info.dli_fname == nullptr) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

core::CoreOptions core_options(const settings::CoreServiceSettings& settings) {
  core::CoreOptions options;
  options.database = settings.database;
  options.secrets_key_file = settings.secrets_key_file.value_or("");
  options.console_auth = settings.console_auth;
  options.cleaner_age = settings.execution_plan_cleaner_age;
  options.backup_folder = settings.backup_folder;
  options.runner_limits = settings.runner_limits;
  options.foreman = {settings.foreman_url, settings.foreman_ssl_ca.value_or(""), settings.foreman_ssl_cert.value_or(""),
                     settings.foreman_ssl_key.value_or("")};
  for (const std::string& folder : settings.directories) {
    options.settings_directories.push_back(std::filesystem::path(folder) / "settings.d");
  }
  options.plugin_directory = library_folder();
  // As upstream's core does, whatever is installed is offered: `:enabled:` is the proxy's matter.
  options.plugins = {"foreman_remote_execution_core.so", "foreman_ansible_core.so"};
  options.log_level = log::to_string(settings.log_level);
  return options;
}

// Beside the database; nowhere when that is no file.
std::filesystem::path drain_file(const settings::CoreServiceSettings& settings) {
  const auto database = core::choose_database(settings.database, std::getenv("DYNFLOW_DB_CONN_STRING"));
  if (!database || database->empty() || core::is_postgres(*database)) return {};
  return *database + ".drain";
}

Result<std::shared_ptr<const net::TlsServerContext>> tls_context(const settings::CoreServiceSettings& settings) {
  if (!settings.ssl_certificate || !settings.ssl_private_key || !settings.ssl_ca_file) {
    return Error(Code::kInvalid, settings.values.place("use_https") +
                                     ": :use_https: needs :ssl_certificate:, :ssl_private_key: and :ssl_ca_file:");
  }
  net::TlsServerOptions options;
  options.certificate_file = *settings.ssl_certificate;
  options.key_file = *settings.ssl_private_key;
  options.ca_file = *settings.ssl_ca_file;
  options.disabled_ciphers = settings.ssl_disabled_ciphers;
  options.disabled_versions = settings.tls_disabled_versions;
  return net::TlsServerContext::create(options);
}

// How the proxy's certificate is known.
Result<net::CertificatePins> proxy_pins(const settings::CoreServiceSettings& settings) {
  if (!settings.proxy_names.empty() || !settings.proxy_keys.empty()) return net::CertificatePins::of(settings.proxy_names, settings.proxy_keys);
  // foreman_ssl_cert already falls back to ssl_certificate.
  const auto certificate = net::PeerCertificate::from_file(settings.foreman_ssl_cert.value_or(*settings.ssl_certificate));
  if (!certificate) return certificate.error().in("the certificate of the proxy");
  return net::CertificatePins::of_serial(**certificate);
}

bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0; }

class Service {
 public:
  explicit Service(settings::CoreServiceOptions where) : where_(std::move(where)) {}

  Status start(const settings::CoreServiceSettings& settings, std::vector<daemon::NamedSocket> inherited);
  void reload();
  void stop();
  // False when it hangs: a watchdog may end it.
  bool is_alive() { return !server_ || server_->has_turned(); }

 private:
  Status open_listeners(const settings::CoreServiceSettings& settings, std::vector<daemon::NamedSocket> inherited);
  Status take_over_settings(const settings::CoreServiceSettings& fresh);
  // What https needs of the settings: the certificate of ours and whom we let in.
  Status take_certificates(const settings::CoreServiceSettings& settings);
  http::Response handle(http::Request& request);
  http::Response answer(http::Request& request, const std::string& path, const core::Authorize& authorize);
  Result<std::size_t> known_tasks(const http::Request& request, const std::vector<std::string>& ids);
  // What the core itself does not tell: of this process and its server.
  std::string metrics() const;
  std::shared_ptr<const Access> access() const;

  const settings::CoreServiceOptions where_;
  std::optional<settings::CoreServiceSettings> started_with_;  // what counts until the next start
  daemon::OpenListeners listeners_;
  bool has_successor_ = false;  // somebody else has the sockets, too: connections may wait in them
  net::TlsHolder certificate_;
  mutable std::mutex mutex_;
  // Anybody who reaches the port can provoke refusals.
  log::RateLimit refusals_{100, 10s};
  std::shared_ptr<const Access> access_;  // owners: this and the requests that are being judged; guarded by mutex_
  std::unique_ptr<core::Core> core_;
  std::unique_ptr<Drain> drain_;
  std::unique_ptr<http::Server> server_;
  const http::SiteGuard other_sites_;
  metrics::Requests requests_;
};

Status Service::start(const settings::CoreServiceSettings& settings, std::vector<daemon::NamedSocket> inherited) {
  started_with_ = settings;
  access_ = std::make_shared<const Access>();
  if (settings.use_https) {
    if (Status taken = take_certificates(settings); !taken) return taken;
  } else if (!settings.proxy_names.empty() || !settings.proxy_keys.empty()) {
    log::warn({}, "Without :use_https: nobody shows a certificate: :proxy_names: and :proxy_keys: keep nobody out");
  } else if (!is_loopback(settings.listen)) {
    log::warn({}, "Without :use_https: everybody who reaches {}:{} can run jobs", settings.listen, settings.port);
  }

  // The address is taken before anything is started: a second core on this port must not touch the first one's jobs.
  if (Status opened = open_listeners(settings, std::move(inherited)); !opened) return opened;
  http::ServerOptions options;
  for (daemon::OpenListener& one : listeners_.sockets) {
    http::ListenerOptions& listener = options.listeners.emplace_back();
    listener.adopted = std::move(one.socket.fd);
    if (settings.use_https) listener.tls = [this] { return certificate_.get(); };
  }
  options.max_workers = kMostWorkers;
  options.max_background_workers = kMostLaunchWorkers;
  options.max_queue = kLongestQueue;
  options.lane = [](const http::RequestHead& head) { return is_launch(head) ? http::Lane::kBackground : http::Lane::kForeground; };
  options.max_connections = settings.connection_limits.total;
  options.max_connections_per_peer = settings.connection_limits.per_client;
  options.server_header = "smart_proxy_dynflow_core/" PRODUCT_VERSION;

  if (!settings.console_auth) log::warn({}, ":console_auth: is false: whoever reaches the console can see and change tasks");
  drain_ = std::make_unique<Drain>(drain_file(settings));
  drain_->load();
  core_ = core::make_core(core_options(settings));
  if (Status started = core_->start(); !started) return started;
  server_ = std::make_unique<http::Server>(std::move(options));
  if (Status served = server_->start([this](http::Request& request) { return handle(request); }); !served) return served;
  log::info({}, "Dynflow core has launched on {} socket(s), waiting for requests", listeners_.sockets.size());
  return {};
}

Status Service::open_listeners(const settings::CoreServiceSettings& settings, std::vector<daemon::NamedSocket> inherited) {
  has_successor_ = !inherited.empty();
  auto opened = daemon::open_listeners({{settings.use_https ? "https" : "http", settings.listen, settings.port}}, std::move(inherited));
  if (!opened) return opened.error();
  listeners_ = *std::move(opened);
  has_successor_ = daemon::keep_sockets(listeners_) || has_successor_;
  return {};
}

Status Service::take_certificates(const settings::CoreServiceSettings& settings) {
  auto context = tls_context(settings);
  if (!context) return context.error();
  auto proxy = proxy_pins(settings);
  if (!proxy) return proxy.error();
  if ((*context)->expires() <= system_clock().now()) {
    const std::string text = *settings.ssl_certificate + " has expired";
    if (certificate_.get()) return Error(Code::kInvalid, text);
    log::error({}, "{}: clients will refuse it", text);
  }
  certificate_.set(*std::move(context));
  const std::lock_guard lock(mutex_);
  access_ = std::make_shared<const Access>(Access::for_proxy(*std::move(proxy)));
  return {};
}

std::shared_ptr<const Access> Service::access() const {
  const std::lock_guard lock(mutex_);
  return access_;
}

http::Response Service::handle(http::Request& request) {
  const Instant start = system_clock().instant();
  const log::Context context{.request_id = request.request_id, .session_id = request.session_id};
  log::info(context, "Started {} {} {}", request.method, request.path, request.query);
  const std::optional<std::string> refusal = access()->admit(request);
  const std::string path = request.target.substr(0, request.target.find('?'));
  const core::Authorize authorize = [&](const http::Request& asking) -> std::unique_ptr<http::Response> {
    if (!refusal) return nullptr;
    if (const auto held_back = refusals_.admit()) {
      log::warn(context, "{} from {}: {}{}", asking.method, http::describe(asking.peer), *refusal, log::held_back_note(*held_back));
    }
    return std::make_unique<http::Response>(http::error_response(403, *refusal));
  };
  http::Response response = answer(request, path, authorize);
  response.headers.set("X-Content-Type-Options", "nosniff");
  if (path == "/metrics" && response.status == 200) response.body += metrics();
  const Duration took = system_clock().instant() - start;
  requests_.note(path.starts_with("/console") ? "console" : "dynflow", request.method, response.status, took);
  log::info(context, "Finished {} {} with {} ({:.2f} ms)", request.method, request.path, response.status, to_seconds(took) * 1000);
  return response;
}

http::Response Service::answer(http::Request& request, const std::string& path, const core::Authorize& authorize) {
  if (auto refused = other_sites_.refusal(request)) return std::move(*refused);
  if (Drain::is_own(path)) {
    if (auto refused = authorize(request)) return std::move(*refused);
    return drain_->handle(request);
  }
  // Who may not launch is told so before anything is read.
  if (drain_->concerns(request, path)) {
    if (auto refused = authorize(request)) return std::move(*refused);
    const Drain::Knows knows = [&](const std::vector<std::string>& ids) { return known_tasks(request, ids); };
    if (auto drained = drain_->refusal(request, path, knows)) return std::move(*drained);
  }
  return core_->handle(request, path, authorize);
}

// How many of these the core knows: asked as a client would ask, which has been let in.
Result<std::size_t> Service::known_tasks(const http::Request& request, const std::vector<std::string>& ids) {
  http::Request question;
  question.method = "POST";
  question.target = question.path = "/tasks/status";
  question.headers.add("Content-Type", "application/json");
  question.request_id = request.request_id;
  question.deadline = request.deadline;
  question.body = http::body_of(json::dump(Json{{"task_ids", ids}}));
  const http::Response known = core_->handle(question, question.path, [](const http::Request&) { return nullptr; });
  const auto document = json::parse(known.body);
  if (known.status != 200 || !document || !document->is_object()) return Error(Code::kUnavailable, "the core does not tell what it knows");
  return document->size();
}

std::string Service::metrics() const {
  metrics::Text text;
  requests_.write(text, server_->load());
  metrics::write_process(text);
  return text.take();
}

void Service::reload() {
  daemon::tell_reloading();
  log::info({}, "Reading settings and certificates again");
  const auto fresh = settings::load_core_service(where_);
  const Status done = fresh ? take_over_settings(*fresh) : Status(fresh.error());
  if (!done) log::error({}, "The old settings stay: {}", done.error().message());
  daemon::tell_ready();
}

Status Service::take_over_settings(const settings::CoreServiceSettings& fresh) {
  if (Status configured = log::configure(fresh.log_options()); !configured) return configured;
  for (const std::string& warning : fresh.warnings) log::warn({}, "{}", warning);
  if (certificate_.get() && fresh.use_https) {
    if (const Status taken = take_certificates(fresh); !taken) log::error({}, "The old certificates stay: {}", taken.error().message());
  }
  for (const std::string_view key : settings::changed_keys(started_with_->values, fresh.values)) {
    if (settings::is_taken_at_reload(fresh.values.table(), key)) continue;
    log::warn({}, "{}: the change of :{}: takes effect at the next start", fresh.values.place(key), key);
  }
  log::info({}, "The settings were read again");
  return {};
}

void Service::stop() {
  if (server_) {
    log::info({}, "Shutting down: no new requests");
    server_->drain(has_successor_ ? http::Server::Latecomers::kWait : http::Server::Latecomers::kRefused, Deadline::after(kRequestGrace));
    server_->stop(Deadline::after(kLastWords));
  }
  if (core_) core_->stop(Deadline::after(kCoreGrace));
}

int fail(Readiness& readiness, const Error& error) {
  log::error({}, "Error during startup, terminating: {}", error.message());
  fmt::print(stderr, "smart_proxy_dynflow_core: {}\n", error.message());
  readiness.tell(1);
  return 1;
}

}  // namespace

int run(const CommandLine& command_line) {
  SignalWaiter signals{SIGTERM, SIGINT, SIGHUP, SIGUSR1};
  std::vector<daemon::NamedSocket> inherited = daemon::take_sockets();  // they are this process's, not its child's
  Readiness readiness;
  settings::CoreServiceOptions where;
  if (command_line.config_dir) {
    // The folder still counts when the process goes to the root folder.
    std::error_code ignored;
    where.config_dir = std::filesystem::absolute(*command_line.config_dir, ignored).string();
  }
  where.is_one_config = command_line.is_one_config;
  const auto settings = settings::load_core_service(where);
  if (!settings) return fail(readiness, settings.error());

  std::optional<PidFile> pid_file;
  if (command_line.daemonize.value_or(settings->is_daemonized)) {
    const auto path = std::filesystem::absolute(command_line.pid_file.value_or(settings->pid_file));
    auto background = go_to_background();
    if (!background) return fail(readiness, background.error());
    readiness = *std::move(background);
    auto created = PidFile::create(path);
    if (!created) return fail(readiness, created.error());
    pid_file.emplace(*std::move(created));
  }
  if (const Status done = log::configure(settings->log_options()); !done) {
    pid_file.reset();
    return fail(readiness, done.error());
  }
  for (const std::string& warning : settings->warnings) log::warn({}, "{}", warning);

  Service service(where);
  if (const Status started = service.start(*settings, std::move(inherited)); !started) {
    service.stop();
    pid_file.reset();  // before anybody is told: whoever waits finds no trace
    return fail(readiness, started.error());
  }
  readiness.tell(0);
  daemon::tell_ready();
  const std::optional<Duration> watchdog = daemon::watchdog_interval();
  while (true) {
    if (watchdog && service.is_alive()) daemon::tell_alive();
    switch (signals.wait(watchdog.value_or(24h)).value_or(0)) {
      case SIGHUP: service.reload(); break;
      case SIGUSR1: log::reopen(); break;
      case SIGTERM:
      case SIGINT:
        daemon::tell_stopping();
        service.stop();
        log::info({}, "Finished shutting down");
        return 0;
      default: break;
    }
  }
}

}  // namespace dynflow::core_service
