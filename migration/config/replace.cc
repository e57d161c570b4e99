#include "migration/config/replace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "shared/base/fd.h"

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

Error problem(std::string_view what, const fs::path& path, int number) {
  const Code code = number == ENOENT ? Code::kNotFound : number == EACCES || number == EPERM || number == EROFS ? Code::kForbidden : Code::kFailed;
  return Error(code, fmt::format("cannot {} {}: {}", what, path.string(), std::strerror(number)));
}

Status write_new(const fs::path& path, std::string_view text, const struct stat* like) {
  const Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return problem("write", path, errno);
  while (!text.empty()) {
    const ssize_t written = write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return problem("write", path, errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  // The owner first: changing it may drop bits of the mode.
  if (like != nullptr && (like->st_uid != geteuid() || like->st_gid != getegid()) && fchown(fd.get(), like->st_uid, like->st_gid) != 0) {
    return problem("keep the owner of", path, errno);
  }
  if (fchmod(fd.get(), like != nullptr ? like->st_mode & 07777 : 0640) != 0) return problem("set the mode of", path, errno);
  if (fsync(fd.get()) != 0) return problem("write", path, errno);
  return {};
}

}  // namespace

Result<std::string> read_file(const fs::path& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return problem("read", path, errno);
  std::string text;
  char buffer[16384];
  while (true) {
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return problem("read", path, errno);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

Status replace_file(const fs::path& path, std::string_view text, bool keeps_backup) {
  std::error_code failure;
  const bool is_link = fs::is_symlink(path, failure);  // of what is not there: no link, and an error that is none here
  failure.clear();
  const fs::path target = is_link ? fs::canonical(path, failure) : path;
  if (failure) return Error(Code::kFailed, fmt::format("cannot follow {}: {}", path.string(), failure.message()));
  struct stat old {};
  const bool is_there = stat(target.c_str(), &old) == 0;
  if (!is_there && errno != ENOENT) return problem("look at", target, errno);
  if (is_there && keeps_backup) {
    auto before = read_file(target);
    if (!before) return before.error();
    if (auto kept = write_new(target.string() + ".dynflow-migrate.bak", *before, &old); !kept) return kept;
  }
  const fs::path fresh = target.string() + ".dynflow-migrate.new";
  Status written = write_new(fresh, text, is_there ? &old : nullptr);
  if (written.ok() && std::rename(fresh.c_str(), target.c_str()) != 0) written = problem("replace", target, errno);
  if (!written) {
    unlink(fresh.c_str());
    return written;
  }
  const Fd folder(open(target.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fsync(folder.get()) != 0) return problem("sync the folder of", target, errno);
  return {};
}

}  // namespace dynflow::migration
