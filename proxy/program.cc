#include "proxy/program.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <csignal>

#include "proxy/configuration.h"
#include "proxy/dynflow/core_loader.h"
#include "proxy/host/host.h"
#include "proxy/host/version.h"
#include "shared/base/signals.h"
#include "shared/http/server.h"
#include "shared/log/setup.h"
#include "shared/net/socket.h"
#include "shared/net/tls_holder.h"

namespace dynflow::proxy {
namespace {

using namespace std::chrono_literals;

// What is in flight may take this long to finish after SIGTERM; then running steps of jobs this long. Together below
// systemd's default of 90 s.
constexpr Duration kRequestGrace = 10s;
constexpr Duration kModuleGrace = 15s;

// Threads are started when needed. More than the relay's connections, so that a core that hangs leaves some for the
// proxy's own routes.
constexpr std::size_t kMostWorkers = 96;

class Program {
 public:
  explicit Program(std::filesystem::path config_dir) : config_dir_(std::move(config_dir)) {}

  Status start();
  void reload();
  void stop();

 private:
  Status open_listeners(const Configuration& configuration);
  Status open_listener(const std::string& host, std::uint16_t port, const http::TlsProvider& tls);

  const std::filesystem::path config_dir_;
  std::shared_ptr<log::Buffer> buffer_;  // owners: this, the logger and the host
  net::TlsHolder certificate_;
  std::vector<http::ListenerOptions> listeners_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<http::Server> server_;
};

Status Program::start() {
  auto configuration = load_configuration(config_dir_);
  if (!configuration) return configuration.error();
  auto buffer = log::Buffer::create(configuration->global.log_buffer, configuration->global.log_buffer_errors);
  if (!buffer) return buffer.error().in(configuration->global.values.place("log_buffer"));
  buffer_ = *std::move(buffer);
  if (Status done = log::configure(configuration->global.log_options(buffer_)); !done) return done;
  for (const std::string& warning : configuration->warnings()) log::warn({}, "{}", warning);

  // The addresses are taken before anything is started: a second proxy on this port must not touch the first one's jobs.
  if (Status opened = open_listeners(*configuration); !opened) return opened;

  auto dynflow = dynflow_options(*configuration, executable_folder());
  if (!dynflow) return dynflow.error();
  auto script = script_options(*configuration);
  if (!script) return script.error();
  auto authorization = std::make_shared<const Authorization>(trust_policy(*configuration),
                                                             system_host_names(resolver_limit(*configuration)));
  Host::Parts parts;
  parts.authorization = authorization;
  parts.modules.push_back(std::make_unique<DynflowModule>(*std::move(dynflow), authorization));
  parts.modules.push_back(std::make_unique<ScriptModule>(*std::move(script)));
  parts.logs = logs_feature(*configuration);
  parts.buffer = buffer_;
  host_ = std::make_unique<Host>(std::move(parts));
  host_->start_modules();

  const std::size_t sockets = listeners_.size();
  http::ServerOptions options;
  options.listeners = std::move(listeners_);
  options.max_workers = kMostWorkers;
  options.server_header = fmt::format("foreman-proxy/{}", kHostVersion);
  server_ = std::make_unique<http::Server>(std::move(options));
  if (Status served = server_->start([this](http::Request& request) { return host_->handle(request); }); !served) {
    return served;
  }
  log::info({}, "Smart proxy has launched on {} socket(s), waiting for requests", sockets);
  return {};
}

Status Program::open_listeners(const Configuration& configuration) {
  const settings::GlobalSettings& global = configuration.global;
  if (!global.has_https()) log::warn({}, "Missing SSL setup, https is disabled.");
  if (!global.http_port && !global.has_https()) {
    return Error(Code::kInvalid, "Both http and https are disabled, unable to start.");
  }
  http::TlsProvider tls;
  if (global.has_https()) {
    auto context = net::TlsServerContext::create(tls_options(configuration));
    if (!context) return context.error();
    certificate_.set(*std::move(context));
    tls = [this] { return certificate_.get(); };
  }
  for (const std::string& host : global.bind_host) {
    if (global.http_port) {
      if (Status opened = open_listener(host, *global.http_port, {}); !opened) return opened;
    }
    if (tls) {
      if (Status opened = open_listener(host, global.https_port, tls); !opened) return opened;
    }
  }
  return {};
}

Status Program::open_listener(const std::string& host, std::uint16_t port, const http::TlsProvider& tls) {
  auto sockets = net::listen_on(host, port);
  if (!sockets) return sockets.error();
  for (net::ListeningSocket& socket : *sockets) {
    http::ListenerOptions listener;
    listener.adopted = std::move(socket.fd);
    listener.tls = tls;
    listeners_.push_back(std::move(listener));
  }
  return {};
}

void Program::reload() {
  log::info({}, "Reading certificates and the log level again");
  const auto configuration = load_configuration(config_dir_);
  if (!configuration) {
    log::error({}, "Nothing was changed: {}", configuration.error().message());
    return;
  }
  log::set_level(configuration->global.log_level);
  log::reopen();
  if (certificate_.get() && configuration->global.has_https()) {
    auto context = net::TlsServerContext::create(tls_options(*configuration));
    if (context) {
      certificate_.set(*std::move(context));
    } else {
      log::error({}, "The old certificate stays: {}", context.error().message());
    }
  }
  log::info({}, "Other settings take effect at the next start");
}

void Program::stop() {
  if (server_) {
    log::info({}, "Shutting down: no new requests");
    server_->stop(Deadline::after(kRequestGrace));
  }
  if (host_) host_->stop_modules(Deadline::after(kModuleGrace));
}

}  // namespace

int run(const std::filesystem::path& config_dir) {
  SignalWaiter signals{SIGTERM, SIGINT, SIGHUP, SIGUSR1};
  Program program(config_dir);
  if (const Status started = program.start(); !started) {
    log::error({}, "Error during startup, terminating: {}", started.error().message());
    fmt::print("Errors detected on startup, see log for details. Exiting: {}\n", started.error().message());
    program.stop();
    return 1;
  }
  sd_notify(0, "READY=1");
  while (true) {
    switch (signals.wait(24h).value_or(0)) {
      case SIGHUP: program.reload(); break;
      case SIGUSR1: log::reopen(); break;
      case SIGTERM:
      case SIGINT:
        sd_notify(0, "STOPPING=1");
        program.stop();
        log::info({}, "Smart proxy has ended");
        return 0;
      default: break;
    }
  }
}

}  // namespace dynflow::proxy
