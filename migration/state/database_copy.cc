#include "migration/state/database_copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "shared/base/fd.h"
#include "shared/base/file.h"
#include "shared/base/interrupt.h"

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 3> kSuffixes = {"", "-wal", "-journal"};  // the shared memory is made anew

// What changes when anybody writes.
std::string state_of(const std::string& path) {
  std::string text;
  for (const std::string_view suffix : kSuffixes) {
    struct stat info {};
    if (::stat((path + std::string(suffix)).c_str(), &info) != 0) continue;
    text += fmt::format("{}:{}:{}.{} ", suffix, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  }
  return text;
}

// In parts, so that Ctrl-C does not have to wait for a database of gigabytes.
Status copy_in_parts(const std::string& from, const std::string& to) {
  constexpr std::size_t kPart = 16 * 1024 * 1024;
  const auto failed = [] { return Error(Code::kUnavailable, std::strerror(errno)); };
  const Fd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!source) return failed();
  const Fd target(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!target) return failed();
  std::vector<char> buffer;
  while (true) {
    if (is_interrupted()) return Error(Code::kClosed, "interrupted");
    if (buffer.empty()) {
      const ssize_t moved = ::copy_file_range(source.get(), nullptr, target.get(), nullptr, kPart, 0);
      if (moved > 0) continue;
      if (moved == 0) return {};
      if (errno == EINTR) continue;
      if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return failed();
      buffer.resize(kPart);  // not between these file systems: by hand, from where both are
    }
    const ssize_t got = ::read(source.get(), buffer.data(), buffer.size());
    if (got < 0 && errno != EINTR) return failed();
    if (got == 0) return {};
    if (got < 0) continue;
    if (Status written = write_all(target, {buffer.data(), static_cast<std::size_t>(got)}); !written) return Error(Code::kUnavailable, written.error().message());
  }
}

std::string name_of(std::string_view pid) {
  std::ifstream file(fmt::format("/proc/{}/comm", pid));
  std::string name;
  std::getline(file, name);
  return fmt::format("process {} ({})", pid, name);
}

using FileId = std::pair<dev_t, ino_t>;

std::set<FileId> files_of(const std::string& path) {
  std::set<FileId> files;
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    struct stat info {};
    if (::stat((path + suffix).c_str(), &info) == 0) files.emplace(info.st_dev, info.st_ino);
  }
  return files;
}

bool has_one_open(const fs::path& process, const std::set<FileId>& files) {
  std::error_code problem;
  for (fs::directory_iterator entry(process / "fd", problem), end; !problem && entry != end; entry.increment(problem)) {
    struct stat info {};
    if (::stat(entry->path().c_str(), &info) == 0 && files.contains({info.st_dev, info.st_ino})) return true;
  }
  return false;
}

}  // namespace

Result<DatabaseCopy> DatabaseCopy::make(const std::string& path) {
  std::error_code problem;
  if (!fs::is_regular_file(path, problem)) return Error(Code::kNotFound, fmt::format("{}: no such file", path));
  auto folder = TemporaryFolder::make("dynflow-state");
  if (!folder) return folder.error();
  DatabaseCopy copy(*std::move(folder));
  const std::string before = state_of(path);
  for (const std::string_view suffix : kSuffixes) {
    const std::string from = path + std::string(suffix);
    if (!fs::exists(from, problem)) continue;
    if (Status copied = copy_in_parts(from, copy.path() + std::string(suffix)); !copied) {
      return copied.error().in(fmt::format("cannot copy {} to {}", from, copy.folder_.path().string()));
    }
  }
  if (state_of(path) != before) return Error(Code::kConflict, fmt::format("{} is being written to: stop what uses it", path));
  return copy;
}

Result<DatabaseCopy> DatabaseCopy::empty() {
  auto folder = TemporaryFolder::make("dynflow-state");
  if (!folder) return folder.error();
  return DatabaseCopy(*std::move(folder));
}

std::vector<std::string> users_of(const std::string& path) {
  std::vector<std::string> users;
  const std::set<FileId> files = files_of(path);
  const std::string self = std::to_string(::getpid());
  std::error_code problem;
  for (fs::directory_iterator entry("/proc", problem), end; !problem && entry != end; entry.increment(problem)) {
    const std::string pid = entry->path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos || pid == self) continue;
    if (has_one_open(entry->path(), files)) users.push_back(name_of(pid));
  }
  if (!users.empty()) return users;
  // What a core holds while it uses the file; it names its process.
  const Fd lock(::open((path + ".lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    std::ifstream file(path + ".lock");
    std::string pid;
    std::getline(file, pid);
    users.push_back(name_of(pid));
  }
  return users;
}

}  // namespace dynflow::migration
