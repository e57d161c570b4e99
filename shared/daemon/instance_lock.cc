#include "shared/daemon/instance_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "shared/net/socket.h"

namespace dynflow::daemon {
namespace {

std::string holder_in(int fd) {
  char text[32];
  const ssize_t got = ::pread(fd, text, sizeof text, 0);
  std::string holder(text, got > 0 ? static_cast<std::size_t>(got) : 0);
  holder.resize(std::min(holder.find('\n'), holder.size()));
  return holder.empty() ? "unknown" : holder;
}

}  // namespace

Result<InstanceLock> InstanceLock::acquire(const std::filesystem::path& file, Deadline deadline, const std::function<bool()>& pause) {
  const auto cannot = [&](std::string_view what) {
    return Error(Code::kUnavailable, fmt::format("cannot {} {}: {}", what, file.string(), net::errno_text(errno)));
  };
  Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd) return cannot("open");
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return cannot("lock");
    if (deadline.has_passed() || !pause()) {
      return Error(Code::kConflict, fmt::format("process {} works with {}", holder_in(fd.get()), file.parent_path().string()));
    }
  }
  const std::string self = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), self.data(), self.size(), 0) != static_cast<ssize_t>(self.size())) return cannot("write");
  return InstanceLock(std::move(fd));
}

}  // namespace dynflow::daemon
