#include "core_service/daemon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <system_error>

namespace dynflow::core_service {
namespace {

// The process that a pid file names; 0 when it names none.
pid_t owner_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  long pid = 0;
  file >> pid;
  return file && pid > 0 ? static_cast<pid_t>(pid) : 0;
}

bool is_alive(pid_t pid) { return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM); }

Error system_error_in(std::string_view what) {
  return Error(Code::kUnavailable, fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace

Result<PidFile> PidFile::create(const std::filesystem::path& path) {
  if (is_alive(owner_of(path))) {
    return Error(Code::kConflict, fmt::format("A server is already running. Check {}", path.string()));
  }
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
  if (!fd) return system_error_in(path.string());
  const std::string text = fmt::format("{}\n", getpid());
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return system_error_in(path.string());
  return PidFile(path);
}

PidFile::PidFile(PidFile&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }

PidFile::~PidFile() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

void Readiness::tell(int exit_status) {
  if (!pipe_) return;
  const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null.get(), stream);
  const char byte = static_cast<char>(exit_status);
  // Nobody there any more: then nobody waits.
  [[maybe_unused]] const ssize_t written = write(pipe_.get(), &byte, 1);
  pipe_.reset();
}

Result<Readiness> go_to_background() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return system_error_in("pipe");
  Fd reading(ends[0]);
  Fd writing(ends[1]);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) return system_error_in("fork");
  if (child > 0) {
    writing.reset();
    char status = 1;
    ssize_t count = 0;
    do {
      count = read(reading.get(), &status, 1);
    } while (count < 0 && errno == EINTR);
    _exit(count == 1 ? status : 1);
  }
  setsid();
  if (chdir("/") != 0) return system_error_in("chdir");
  return Readiness(std::move(writing));
}

}  // namespace dynflow::core_service
