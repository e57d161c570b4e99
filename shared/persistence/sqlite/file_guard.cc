#include "shared/persistence/sqlite/file_guard.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <system_error>
#include <thread>

#include "shared/base/deadline.h"
#include "shared/persistence/files.h"

namespace dynflow::persistence {
namespace {

constexpr std::chrono::seconds kPatienceWithTheDead{5};
constexpr std::chrono::milliseconds kBetweenTries{10};

std::string read_holder(int fd) {
  std::array<char, 32> buffer{};
  const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), 0);
  std::string holder(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  if (const auto end = holder.find('\n'); end != std::string::npos) holder.resize(end);
  return holder.empty() ? "unknown" : holder;
}

bool is_dead(const std::string& holder) {
  pid_t pid = 0;
  const char* const end = holder.data() + holder.size();
  return std::from_chars(holder.data(), end, pid).ptr == end && pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH;
}

// False with errno when it cannot be had. A process that was killed while it started a child leaves the lock with the child until that
// runs its own program: it is waited for.
bool lock_exclusively(int fd) {
  const Deadline deadline = Deadline::after(kPatienceWithTheDead);
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return false;
    if (deadline.has_passed() || !is_dead(read_holder(fd))) {
      errno = EWOULDBLOCK;
      return false;
    }
    std::this_thread::sleep_for(kBetweenTries);
  }
  return true;
}

}  // namespace

bool is_network_file_system(long type) {
  // linux/magic.h, and fs/smb and fs/ceph of the kernel. On these, flock(2) or the shared memory of the write-ahead log
  // is not coherent between clients: two machines would destroy the file.
  switch (static_cast<std::uint32_t>(type)) {
    case 0x6969:      // NFS
    case 0x517B:      // SMB
    case 0xFF534D42:  // CIFS
    case 0xFE534D42:  // SMB2
    case 0x5346414F:  // AFS
    case 0x73757245:  // Coda
    case 0x564C:      // NCP
    case 0x00C36400:  // Ceph
    case 0x01021997:  // 9P
    case 0x0BD00BD0:  // Lustre
    case 0x47504653:  // GPFS
    case 0x01161970:  // GFS2
    case 0x7461636F:  // OCFS2
      return true;
    default: return false;
  }
}

Result<FileGuard> FileGuard::acquire(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (Status made = make_directories(parent); !made.ok()) return made.error();
  const std::string directory = parent.empty() ? "." : parent.string();
  struct statfs info {};
  if (::statfs(directory.c_str(), &info) != 0) return unavailable("cannot look at", directory, errno);
  if (is_network_file_system(info.f_type)) {
    return Error(Code::kInvalid,
                 fmt::format("{} is on a network file system (type {:#x}), where the database would be damaged: use a "
                             "local directory, or PostgreSQL",
                             directory, static_cast<std::uint32_t>(info.f_type)));
  }

  const std::string lock_path = path + ".lock";
  Result<Fd> lock = open_or_make(lock_path);
  if (!lock.ok()) return lock.error();
  if (!lock_exclusively(lock->get())) {
    if (errno != EWOULDBLOCK) return unavailable("cannot lock", lock_path, errno);
    return Error(Code::kUnavailable, fmt::format("{} is in use by process {}", path, read_holder(lock->get())));
  }
  const std::string holder = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock->get(), 0) != 0 ||
      ::pwrite(lock->get(), holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size())) {
    return unavailable("cannot write", lock_path, errno);
  }
  const Result<Fd> file = open_or_make(path);
  if (!file.ok()) return file.error();
  return FileGuard(std::move(*lock));
}

}  // namespace dynflow::persistence
