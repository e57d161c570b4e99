#include "migration/state/database_copy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <set>

#include "shared/base/fd.h"

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
    if (!fs::copy_file(from, copy.path() + std::string(suffix), problem)) {
      return Error(Code::kUnavailable, fmt::format("cannot copy {} to {}: {}", from, copy.folder_.path().string(), problem.message()));
    }
  }
  if (state_of(path) != before) return Error(Code::kConflict, fmt::format("{} is being written to: stop what uses it", path));
  return copy;
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
