#include "shared/persistence/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace dynflow::persistence {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kFileMode = 0640;

}  // namespace

Error unavailable(std::string_view what, const std::string& path, int number) {
  return Error(Code::kUnavailable,
               fmt::format("{} {}: {}", what, path, std::system_category().message(number)));
}

Status make_directories(const std::filesystem::path& directory) {
  if (directory.empty() || ::access(directory.c_str(), F_OK) == 0) return {};
  if (Status parent = make_directories(directory.parent_path()); !parent.ok()) return parent;
  if (::mkdir(directory.c_str(), kDirectoryMode) != 0 && errno != EEXIST) {
    return unavailable("cannot make the directory", directory, errno);
  }
  return {};
}

Result<Fd> open_or_make(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode));
  if (fd) {
    // The mode does not depend on the umask; an existing file keeps the one its administrator gave it.
    if (::fchmod(fd.get(), kFileMode) != 0) return unavailable("cannot set the mode of", path, errno);
    return fd;
  }
  if (errno == EEXIST) fd.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return unavailable("cannot open", path, errno);
  return fd;
}

}  // namespace dynflow::persistence
