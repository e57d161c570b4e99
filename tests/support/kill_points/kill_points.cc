// A library for LD_PRELOAD that ends a program at the N-th thing it does to its database: with SIGKILL, so nothing of the program
// itself runs any more. What is counted: writes, truncations and syncs of files whose path starts with KILL_POINTS_FILES, and sends on
// sockets to the Unix socket or TCP port KILL_POINTS_SERVER.
//
//   KILL_POINTS_AT      kill at this point, before it happens; a sync counts twice, before and after. Not set: only count
//   KILL_POINTS_COUNT   a file that always holds the number of points so far
//   KILL_POINTS_DELAY   milliseconds that each sync takes longer: a slow disk
//   KILL_POINTS_SYNCED  a folder that gets a copy of each file as it was at its last sync: what a power cut leaves
//
// Threads: the interposed functions may be called from any.
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>

namespace {

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

class Points {
 public:
  Points() {
    const std::string count = setting("KILL_POINTS_COUNT");
    if (count.empty()) return;
    const int fd = ::open(count.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ::ftruncate(fd, sizeof(std::uint64_t)) != 0) std::abort();
    void* memory = ::mmap(nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) std::abort();
    ::close(fd);
    counter_ = static_cast<std::atomic<std::uint64_t>*>(memory);
    counter_->store(0);
  }

  void pass() {
    if (counter_->fetch_add(1) + 1 != at_) return;
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
  }

  // The path, when the file is one of those that count.
  std::string counted_path(int fd) const {
    if (files_.empty()) return {};
    char path[PATH_MAX];
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
    if (length <= 0 || std::string_view(path, static_cast<std::size_t>(length)).substr(0, files_.size()) != files_) return {};
    return std::string(path, static_cast<std::size_t>(length));
  }

  bool is_counted_socket(int fd) const {
    if (server_.empty()) return false;
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return false;
    if (address.ss_family == AF_UNIX) return server_ == reinterpret_cast<const sockaddr_un*>(&address)->sun_path;
    if (address.ss_family != AF_INET) return false;
    return server_ == std::to_string(ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port));
  }

  void wait_for_disk() const {
    if (delay_ != 0) ::usleep(delay_ * 1000);
  }

  void forget_copy(std::string_view path) const {
    if (synced_.empty() || files_.empty() || path.substr(0, files_.size()) != files_) return;
    const std::string copy = synced_ + std::string(path.substr(path.rfind('/')));
    ::syscall(SYS_unlink, copy.c_str());
  }

  // Under a lock: two copies of one file must not mix.
  void keep_copy(int fd, const std::string& path) {
    if (synced_.empty()) return;
    const std::lock_guard lock(copying_);
    const std::string to = synced_ + path.substr(path.rfind('/'));
    const std::string part = to + ".part";
    const int out = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (out < 0) std::abort();
    struct stat about {};
    if (::fstat(fd, &about) != 0) std::abort();
    loff_t from = 0;
    while (from < about.st_size) {
      const ssize_t copied = ::copy_file_range(fd, &from, out, nullptr, static_cast<std::size_t>(about.st_size - from), 0);
      if (copied < 0) std::abort();
      if (copied == 0) break;
    }
    ::close(out);
    if (::rename(part.c_str(), to.c_str()) != 0) std::abort();
  }

 private:
  const std::string files_ = setting("KILL_POINTS_FILES");
  const std::string server_ = setting("KILL_POINTS_SERVER");
  const std::string synced_ = setting("KILL_POINTS_SYNCED");
  const std::uint64_t at_ = std::strtoull(setting("KILL_POINTS_AT").c_str(), nullptr, 10);
  const useconds_t delay_ = static_cast<useconds_t>(std::strtoul(setting("KILL_POINTS_DELAY").c_str(), nullptr, 10));
  std::atomic<std::uint64_t> without_file_{0};
  std::atomic<std::uint64_t>* counter_ = &without_file_;
  std::mutex copying_;
};

Points& points() {
  static Points* const made = new Points();  // never destroyed: other threads write until the very end
  return *made;
}

int sync_with(int (*really)(int), int fd) {
  const std::string path = points().counted_path(fd);
  if (path.empty()) return really(fd);
  points().pass();
  points().wait_for_disk();
  const int result = really(fd);
  if (result == 0) points().keep_copy(fd, path);
  points().pass();
  return result;
}

void pass_file(int fd) {
  if (!points().counted_path(fd).empty()) points().pass();
}

}  // namespace

extern "C" {
#pragma GCC visibility push(default)

int fsync(int fd) {
  static auto* const really = next<int(int)>("fsync");
  return sync_with(really, fd);
}

int fdatasync(int fd) {
  static auto* const really = next<int(int)>("fdatasync");
  return sync_with(really, fd);
}

int ftruncate64(int fd, off64_t length) noexcept {
  static auto* const really = next<int(int, off64_t)>("ftruncate64");
  pass_file(fd);
  return really(fd, length);
}

// SQLite syncs the folder behind it, so that a removal lasts.
int unlink(const char* path) noexcept {
  static auto* const really = next<int(const char*)>("unlink");
  const int result = really(path);
  if (result == 0) points().forget_copy(path);
  return result;
}

ssize_t pwrite64(int fd, const void* data, std::size_t size, off64_t offset) {
  static auto* const really = next<ssize_t(int, const void*, std::size_t, off64_t)>("pwrite64");
  pass_file(fd);
  return really(fd, data, size, offset);
}

ssize_t send(int fd, const void* data, std::size_t size, int flags) {
  static auto* const really = next<ssize_t(int, const void*, std::size_t, int)>("send");
  if (points().is_counted_socket(fd)) points().pass();
  return really(fd, data, size, flags);
}

#pragma GCC visibility pop
}
