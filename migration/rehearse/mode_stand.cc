#include "migration/rehearse/mode_stand.h"

#include <fmt/format.h>

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLargestAnswer = 64 * 1024 * 1024;
constexpr std::chrono::seconds kAnswerDeadline{30};

std::string limits_text(const settings::RunnerLimits& limits) {
  return fmt::format(":max_running_runners: {}\n:max_running_runners_per_job: {}\n:max_output_bytes: {}\n", limits.max_running,
                     limits.max_running_per_job, limits.max_output_bytes);
}

std::string database_text(const StandOptions& options, std::string_view name) {
  return options.site->is_database_file ? fmt::format(":database: {}/{}.sqlite\n", options.folder.string(), name)
                                        : std::string(":database:\n");
}

// The proxy listens on one port, with the site's kind of protocol.
std::string listener_text(const StandOptions& options, std::uint16_t port) {
  if (options.tls == nullptr) return fmt::format(":http_port: {}\n", port);
  return fmt::format(":https_port: {}\n:trusted_hosts: [{}]\n{}", port, kThrowawayName, options.tls->settings());
}

std::string core_listener_text(const StandOptions& options, std::uint16_t port) {
  const std::string listener = fmt::format(":listen: 127.0.0.1\n:port: {}\n", port);
  return options.tls == nullptr ? listener : fmt::format("{}:use_https: true\n{}", listener, options.tls->settings());
}

std::string core_url(const StandOptions& options, std::uint16_t port) {
  return fmt::format("{}://127.0.0.1:{}", options.tls == nullptr ? "http" : "https", port);
}

Status write_ssh(const StandOptions& options, const fs::path& folder) {
  const fs::path local = options.folder / "local";
  std::error_code problem;
  fs::create_directories(local, problem);
  fs::create_directories(folder / "settings.d", problem);
  if (problem) return Error(Code::kUnavailable, fmt::format("{}: {}", folder.string(), problem.message()));
  return write_file(folder / "settings.d/remote_execution_ssh.yml",
                    fmt::format("---\n:enabled: true\n:ssh_identity_key_file: {}\n:local_working_dir: {}\n:remote_working_dir: {}\n"
                                ":cockpit_integration: false\n:ssh_transport: {}\n:cleanup_working_dirs: {}\n",
                                options.ssh_key.empty() ? "none" : options.ssh_key.string(), local.string(), local.string(), options.site->ssh_transport,
                                options.site->cleanup_working_dirs));
}

Status write_proxy(const StandOptions& options, const fs::path& folder, std::uint16_t port, std::uint16_t core_port) {
  if (Status written = write_ssh(options, folder); !written.ok()) return written;
  Status main = write_file(
      folder / "settings.yml",
      fmt::format("---\n:settings_directory: {0}/settings.d\n:bind_host: ['127.0.0.1']\n{1}:foreman_url: {2}\n"
                  ":log_file: {0}/proxy.log\n:log_level: {3}\n:state_directory: {0}\n",
                  folder.string(), listener_text(options, port), options.foreman_url, options.site->log_level));
  if (!main.ok()) return main;
  return write_file(folder / "settings.d/dynflow.yml",
                    fmt::format("---\n:enabled: true\n{}:external_core: {}\n{}{}", database_text(options, "proxy"), core_port != 0,
                                core_port == 0 ? "" : fmt::format(":core_url: {}\n", core_url(options, core_port)),
                                limits_text(options.site->runner_limits)));
}

Status write_core(const StandOptions& options, const fs::path& folder, std::uint16_t port) {
  if (Status written = write_ssh(options, folder); !written.ok()) return written;
  return write_file(folder / "settings.yml",
                    fmt::format("---\n{}:foreman_url: {}\n{}:log_file: {}/core.log\n:log_level: :{}\n{}",
                                database_text(options, "core"), options.foreman_url, core_listener_text(options, port), folder.string(), options.site->log_level,
                                limits_text(options.site->runner_limits)));
}

// What they keep stays in memory: with a file they stand still for seconds at a time, and what is measured is that.
Status write_ruby(const StandOptions& options, const fs::path& proxy, std::uint16_t port, const fs::path& core, std::uint16_t core_port) {
  for (const fs::path& folder : {proxy, core}) {
    if (Status written = write_ssh(options, folder); !written.ok()) return written;
  }
  Status done = write_file(core / "settings.yml",
                           fmt::format("---\n:database:\n:foreman_url: {}\n{}:log_file: {}/core.log\n:log_level: :{}\n",
                                       options.foreman_url, core_listener_text(options, core_port), core.string(), options.site->log_level));
  if (!done.ok()) return done;
  done = write_file(proxy / "settings.yml",
                    fmt::format("---\n:settings_directory: {0}/settings.d\n:bind_host: ['127.0.0.1']\n{1}:foreman_url: {2}\n"
                                ":log_file: {0}/proxy.log\n:log_level: {3}\n",
                                proxy.string(), listener_text(options, port), options.foreman_url, options.site->log_level));
  if (!done.ok()) return done;
  return write_file(proxy / "settings.d/dynflow.yml",
                    fmt::format("---\n:enabled: true\n:external_core: true\n:core_url: {}\n", core_url(options, core_port)));
}

// `folder` comes behind `command`.
Result<Server> start_command(const StandOptions& options, std::string_view name, std::vector<std::string> command, const fs::path& folder,
                             std::string_view log, std::uint16_t port, const Interrupt& interrupt) {
  process::SpawnOptions spawn;
  spawn.argv = std::move(command);
  spawn.argv.push_back(folder);
  spawn.environment = process::clean_environment();
  // What a program keeps at home, such as known hosts, is not the business of whoever rehearses.
  std::erase_if(spawn.environment, [](const std::string& entry) { return entry.starts_with("HOME="); });
  spawn.environment.push_back(fmt::format("HOME={}", options.folder.string()));
  if (options.ssh_key.empty()) {
    spawn.environment.insert(spawn.environment.end(), {"REX_SIMULATE=1", "REX_SIMULATE_PATH=/dev/null"});
  }
  spawn.working_directory = options.folder;
  return Server::start(std::string(name), std::move(spawn), port, folder / log, interrupt);
}

Result<Server> start_program(const StandOptions& options, std::string_view name, const fs::path& folder, std::string_view log,
                             std::uint16_t port, const Interrupt& interrupt) {
  const auto program = find_program(name);
  if (!program) return program.error();
  std::vector<std::string> command = {*program};
  if (name != "smart-proxy") command.emplace_back("--one-config");
  command.emplace_back("--config-dir");
  return start_command(options, name, std::move(command), folder, log, port, interrupt);
}

}  // namespace

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::kInProcess: return "in-process";
    case Mode::kExternal: return "external";
    case Mode::kRuby: break;
  }
  return "Ruby pair";
}

Result<std::unique_ptr<ModeStand>> ModeStand::start(const StandOptions& options, const Interrupt& interrupt) {
  if (options.mode == Mode::kInProcess) return start_relay(options, 0, interrupt);
  if (options.mode == Mode::kRuby) return start_ruby(options, interrupt);
  const auto ports = free_ports(1);
  if (!ports) return ports.error();
  const fs::path folder = options.folder / "core";
  if (Status written = write_core(options, folder, ports->front()); !written.ok()) return written.error();
  auto core = start_program(options, "smart_proxy_dynflow_core", folder, "core.log", ports->front(), interrupt);
  if (!core) return core.error();
  auto stand = start_relay(options, ports->front(), interrupt);
  if (!stand) return stand.error();
  (*stand)->servers_.insert((*stand)->servers_.begin(), std::move(*core));
  return stand;
}

Result<std::unique_ptr<ModeStand>> ModeStand::start_relay(const StandOptions& options, std::uint16_t core_port,
                                                          const Interrupt& interrupt) {
  const auto ports = free_ports(1);
  if (!ports) return ports.error();
  const fs::path folder = options.folder / "proxy";
  if (Status written = write_proxy(options, folder, ports->front(), core_port); !written.ok()) return written.error();
  auto proxy = start_program(options, "smart-proxy", folder, "proxy.log", ports->front(), interrupt);
  if (!proxy) return proxy.error();
  return in_front(options, std::move(*proxy), ports->front(), core_port);
}

Result<std::unique_ptr<ModeStand>> ModeStand::start_ruby(const StandOptions& options, const Interrupt& interrupt) {
  const auto ports = free_ports(2);
  if (!ports) return ports.error();
  const std::uint16_t port = ports->front();
  const std::uint16_t core_port = ports->back();
  const fs::path proxy_folder = options.folder / "proxy";
  const fs::path core_folder = options.folder / "core";
  if (Status written = write_ruby(options, proxy_folder, port, core_folder, core_port); !written.ok()) return written.error();
  auto core = start_command(options, "Ruby smart_proxy_dynflow_core", options.ruby->core, core_folder, "core.log", core_port, interrupt);
  if (!core) return core.error();
  auto proxy = start_command(options, "Ruby smart-proxy", options.ruby->proxy, proxy_folder, "proxy.log", port, interrupt);
  if (!proxy) return proxy.error();
  auto stand = in_front(options, std::move(*proxy), port, core_port);
  if (!stand) return stand.error();
  (*stand)->servers_.insert((*stand)->servers_.begin(), std::move(*core));
  return stand;
}

Result<std::unique_ptr<ModeStand>> ModeStand::in_front(const StandOptions& options, Server proxy, std::uint16_t port, std::uint16_t core_port) {
  std::unique_ptr<ModeStand> stand(new ModeStand);
  stand->mode_ = options.mode;
  stand->core_port_ = core_port;
  stand->servers_.push_back(std::move(proxy));
  http::ClientOptions client;
  client.host = "127.0.0.1";
  client.port = port;
  if (options.tls != nullptr) {
    auto tls = options.tls->client();
    if (!tls) return tls.error();
    client.tls = *std::move(tls);
  }
  stand->client_ = std::make_unique<http::ClientPool>(std::move(client));
  return stand;
}

ModeStand::~ModeStand() {
  while (!servers_.empty()) servers_.pop_back();
}

Result<std::vector<ProcessCost>> ModeStand::costs() const {
  std::vector<ProcessCost> all;
  for (const Server& server : servers_) {
    const auto cost = cost_of(server.pid());
    if (!cost) return cost.error().in(server.name());
    all.push_back(*cost);
  }
  return all;
}

std::vector<std::string> ModeStand::process_names() const {
  std::vector<std::string> names;
  for (const Server& server : servers_) names.push_back(server.name());
  return names;
}

Result<Answer> ModeStand::send(std::string_view method, std::string_view target, std::string body, const Interrupt& interrupt) {
  http::Headers headers;
  headers.add("Accept", "application/json");
  std::unique_ptr<http::BodyStream> stream;
  if (!body.empty()) {
    headers.add("Content-Type", "application/json");
    stream = http::body_of(std::move(body));
  }
  const Instant began = system_clock().instant();
  auto response = client_->send(method, target, headers, stream.get(), Deadline::after(kAnswerDeadline).sooner(interrupt.deadline()));
  if (!response) return response.error();
  auto text = http::read_all(*response->body, kLargestAnswer);
  if (!text) return text.error();
  return Answer{response->status, std::move(*text), to_seconds(system_clock().instant() - began) * 1000};
}

}  // namespace dynflow::migration
