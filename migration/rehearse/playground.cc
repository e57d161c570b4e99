#include "migration/rehearse/playground.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "migration/rehearse/end_with_parent.h"
#include "shared/base/executable.h"
#include "shared/net/socket.h"

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::milliseconds kSlice{20};       // between looks at something that cannot be waited for
constexpr std::chrono::seconds kStartDeadline{30};
constexpr std::chrono::seconds kStopDeadline{10};
constexpr std::size_t kLogShown = 1500;

// True when the descriptor became readable in time.
bool wait_readable(int fd, Duration span) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(span).count())) == 1;
}

std::string read_available(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(got));
  return text;
}

std::string end_of(const fs::path& log) {
  std::ifstream file(log, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  return text.size() > kLogShown ? "..." + text.substr(text.size() - kLogShown) : text;
}

}  // namespace

namespace {

constexpr std::string_view kPrefix = "dynflow-rehearse";

// Nothing when somebody holds it, or it cannot be made.
Fd lock_in(const fs::path& folder, int flags) {
  Fd lock(::open((folder / "lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600));
  if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) lock.reset();
  return lock;
}

// Folders of rehearsals that ended without tidying up. One that has no lock yet is just being made.
void remove_what_was_left() {
  std::error_code failure;
  for (fs::directory_iterator entry(temporary_root(), failure), end; !failure && entry != end; entry.increment(failure)) {
    struct stat about {};
    const bool is_ours = entry->path().filename().string().starts_with(std::string(kPrefix) + ".") && ::lstat(entry->path().c_str(), &about) == 0 &&
                         S_ISDIR(about.st_mode) && about.st_uid == ::geteuid();
    if (!is_ours) continue;
    std::error_code ignored;  // what cannot be removed stays for the next one
    if (const Fd lock = lock_in(entry->path(), 0)) fs::remove_all(entry->path(), ignored);
  }
}

}  // namespace

Result<Playground> Playground::make() {
  remove_what_was_left();
  auto folder = TemporaryFolder::make(kPrefix);
  if (!folder) return folder.error();
  // sshd reads the keys as the user who logs in; what is secret in here has modes of its own.
  if (::chmod(folder->path().c_str(), 0755) != 0) {
    return Error(Code::kUnavailable, fmt::format("{}: {}", folder->path().string(), net::errno_text(errno)));
  }
  Fd lock = lock_in(folder->path(), O_CREAT);
  if (!lock) return Error(Code::kUnavailable, fmt::format("{}: {}", (folder->path() / "lock").string(), net::errno_text(errno)));
  return Playground(*std::move(folder), std::move(lock));
}

Result<fs::path> Playground::folder(std::string_view name) const {
  const fs::path path = this->path() / name;
  std::error_code problem;
  fs::create_directories(path, problem);
  if (problem) return Error(Code::kUnavailable, fmt::format("{}: {}", path.string(), problem.message()));
  return path;
}

Status write_file(const fs::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) return Error(Code::kUnavailable, fmt::format("cannot write {}", path.string()));
  return {};
}

Result<std::vector<std::uint16_t>> free_ports(std::size_t count) {
  std::vector<net::ListeningSocket> held;  // until all are known, so that no two are the same
  std::vector<std::uint16_t> ports;
  while (ports.size() < count) {
    auto sockets = net::listen_on("127.0.0.1", 0);
    if (!sockets) return sockets.error();
    ports.push_back(sockets->front().bound.port);
    held.push_back(std::move(sockets->front()));
  }
  return ports;
}

Result<fs::path> find_program(std::string_view name) {
  std::vector<fs::path> folders;
  std::error_code ignored;
  if (const fs::path self = executable_path(); !self.empty()) folders.push_back(self.parent_path());
  const char* variable = std::getenv("PATH");
  std::string_view rest = variable == nullptr ? "" : variable;
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    if (colon != 0) folders.emplace_back(rest.substr(0, colon));
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  for (const char* folder : {"/usr/sbin", "/usr/local/sbin", "/sbin"}) folders.emplace_back(folder);
  for (const fs::path& folder : folders) {
    if (const fs::path path = folder / name; ::access(path.c_str(), X_OK) == 0 && fs::is_regular_file(path, ignored)) return path;
  }
  return Error(Code::kNotFound, fmt::format("{} is not installed", name));
}

Result<Server> Server::start(std::string name, process::SpawnOptions options, std::uint16_t port, fs::path log,
                             const Interrupt& interrupt) {
  options.merge_stderr = true;
  options.argv = ending_with_us(std::move(options.argv));
  auto child = process::Child::spawn(options);
  if (!child) return child.error().in(name);
  Server server(std::move(name), std::move(*child));
  const Deadline deadline = Deadline::after(kStartDeadline).sooner(interrupt.deadline());
  while (true) {
    if (Status going = interrupt.check(); !going.ok()) return going.error();
    if (net::connect_to({{"127.0.0.1", port}}, Deadline::after(std::chrono::seconds(1)))) return server;
    const bool ended = wait_readable(server.child_.pidfd(), kSlice);
    if (ended || deadline.has_passed()) {
      const std::string words = read_available(server.child_.stdout_fd().get()) + end_of(log);
      return Error(ended ? Code::kFailed : Code::kTimeout,
                   fmt::format("{} {}: {}", server.name_, ended ? "ended at once" : "does not answer", words));
    }
  }
}

Server::~Server() {
  if (child_.pid() <= 0 || has_ended()) return;
  child_.signal_group(SIGTERM);
  wait_readable(child_.pidfd(), kStopDeadline);
}

bool Server::has_ended() { return child_.pidfd() >= 0 && wait_readable(child_.pidfd(), Duration::zero()); }

Result<std::string> run_program(const std::vector<std::string>& argv, const Interrupt& interrupt) {
  process::SpawnOptions options;
  options.argv = argv;
  options.environment = process::clean_environment();
  options.merge_stderr = true;
  auto child = process::Child::spawn(options);
  if (!child) return child.error();
  const Deadline deadline = Deadline::after(kStartDeadline).sooner(interrupt.deadline());
  std::string text;
  while (true) {
    const bool ended = wait_readable(child->pidfd(), kSlice);
    text += read_available(child->stdout_fd().get());
    if (ended) break;
    if (Status going = interrupt.check(); !going.ok()) return going.error();
    if (deadline.has_passed()) return Error(Code::kTimeout, fmt::format("{} does not end", argv.front()));
  }
  const auto ending = child->reap();
  if (!ending) return ending.error();
  if (ending->was_signalled || ending->value != 0) return Error(Code::kFailed, fmt::format("{}: {}", argv.front(), text));
  return text;
}

}  // namespace dynflow::migration
