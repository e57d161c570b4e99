#include "shared/process/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

extern char** environ;

namespace dynflow::process {
namespace {

Error from_errno(std::string_view what, int number) {
  const Code code = number == ENOENT || number == ENOTDIR                     ? Code::kNotFound
                    : number == EAGAIN || number == EMFILE || number == ENFILE ? Code::kUnavailable
                                                                                : Code::kFailed;
  return Error(code, std::string(what) + ": " + ::strerror(number));
}

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return from_errno("pipe", errno);
  Pipe pipe{Fd(ends[0]), Fd(ends[1])};
  ::fcntl(pipe.read_end.get(), F_SETFL, O_NONBLOCK);
  return pipe;
}

// RAII for the two posix_spawn objects.
struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

}  // namespace

std::vector<std::string> clean_environment() {
  std::vector<std::string> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    if (name == "PATH" || name == "HOME" || name == "LANG" || name == "TZ" || name == "USER" || name == "LOGNAME" ||
        name.substr(0, 3) == "LC_") {
      kept.emplace_back(text);
    }
  }
  return kept;
}

Result<Child> Child::spawn(const SpawnOptions& options) {
  if (options.argv.empty()) return Error(Code::kInvalid, "no program to run");
  Result<Pipe> out = make_pipe();
  if (!out) return out.error();
  Pipe err;
  if (!options.merge_stderr) {
    Result<Pipe> made = make_pipe();
    if (!made) return made.error();
    err = std::move(*made);
  }

  SpawnSetup setup;
  ::posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&setup.actions, out->write_end.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&setup.actions,
                                     options.merge_stderr ? out->write_end.get() : err.write_end.get(), STDERR_FILENO);
  ::posix_spawn_file_actions_addclosefrom_np(&setup.actions, STDERR_FILENO + 1);
  if (!options.working_directory.empty()) {
    ::posix_spawn_file_actions_addchdir_np(&setup.actions, options.working_directory.c_str());
  }
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&setup.attributes, &none);
  ::posix_spawnattr_setsigdefault(&setup.attributes, &all);
  ::posix_spawnattr_setpgroup(&setup.attributes, 0);
  ::posix_spawnattr_setflags(&setup.attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<char*> argv = pointers(options.argv);
  std::vector<char*> environment = pointers(options.environment);
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, argv[0], &setup.actions, &setup.attributes, argv.data(), environment.data());
  if (failed != 0) return from_errno(options.argv[0], failed);

  Child child;
  child.pid_ = pid;
  child.is_reaped_ = false;
  child.stdout_ = std::move(out->read_end);
  child.stderr_ = std::move(err.read_end);
  // The pid cannot be reused before we reap it, so opening the pidfd afterwards is safe.
  child.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!child.pidfd_) return from_errno("pidfd_open", errno);
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      is_reaped_(std::exchange(other.is_reaped_, true)),
      pidfd_(std::move(other.pidfd_)),
      stdout_(std::move(other.stdout_)),
      stderr_(std::move(other.stderr_)) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    kill_and_wait();
    pid_ = std::exchange(other.pid_, -1);
    is_reaped_ = std::exchange(other.is_reaped_, true);
    pidfd_ = std::move(other.pidfd_);
    stdout_ = std::move(other.stdout_);
    stderr_ = std::move(other.stderr_);
  }
  return *this;
}

Child::~Child() { kill_and_wait(); }

void Child::kill_and_wait() {
  if (is_reaped_) return;
  signal_group(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  is_reaped_ = true;
}

void Child::signal_group(int signal) {
  if (!is_reaped_ && pid_ > 0) ::kill(-pid_, signal);
}

Result<Ending> Child::reap() {
  if (is_reaped_) return Error(Code::kNotFound, "the child was reaped");
  int status = 0;
  const pid_t got = ::waitpid(pid_, &status, WNOHANG);
  if (got == 0) return Error(Code::kBusy, "the child runs");
  if (got < 0) return from_errno("waitpid", errno);
  is_reaped_ = true;
  if (WIFSIGNALED(status)) return Ending{true, WTERMSIG(status)};
  return Ending{false, WEXITSTATUS(status)};
}

}  // namespace dynflow::process
