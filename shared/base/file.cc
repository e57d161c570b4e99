#include "shared/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace dynflow {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kFreshPattern = ".XXXXXX";
constexpr std::string_view kFreshSuffix = ".new";

Error problem(std::string_view what, const fs::path& path, int number) {
  const Code code = number == ENOENT ? Code::kNotFound : number == EACCES || number == EPERM || number == EROFS ? Code::kForbidden : Code::kFailed;
  return Error(code, "cannot " + std::string(what) + " " + path.string() + ": " + std::strerror(number));
}

// Name of a new file beside `target` that has the text, the mode and the owner that the target shall have. `like`: what stood there.
Result<std::string> write_beside(const fs::path& target, std::string_view text, const struct stat* like, const ReplaceOptions& options) {
  std::string name = target.string();
  name.append(kFreshPattern).append(kFreshSuffix);
  const Fd fd(::mkostemps(name.data(), static_cast<int>(kFreshSuffix.size()), O_CLOEXEC));
  if (!fd) return problem("write", target, errno);
  const auto failed = [&](Error error) {
    ::unlink(name.c_str());
    return error;
  };
  if (Status written = write_all(fd, text); !written) return failed(written.error().in("cannot write " + target.string()));
  // The owner first: changing it may drop bits of the mode.
  const bool is_foreign = like != nullptr && (like->st_uid != ::geteuid() || like->st_gid != ::getegid());
  if (is_foreign && ::fchown(fd.get(), like->st_uid, like->st_gid) != 0 && (options.must_keep_owner || ::geteuid() == 0)) {
    return failed(problem("keep the owner of", target, errno));
  }
  if (::fchmod(fd.get(), like != nullptr ? like->st_mode & 07777 : options.new_mode) != 0) return failed(problem("set the mode of", target, errno));
  if (::fsync(fd.get()) != 0) return failed(problem("write", target, errno));
  return name;
}

Status put(const fs::path& target, std::string_view text, const struct stat* like, const ReplaceOptions& options) {
  const auto fresh = write_beside(target, text, like, options);
  if (!fresh) return fresh.error();
  if (std::rename(fresh->c_str(), target.c_str()) == 0) return {};
  const Error error = problem("replace", target, errno);
  ::unlink(fresh->c_str());
  return error;
}

// Of a link where it leads to.
fs::path target_of(const fs::path& path, std::error_code& failure) {
  const bool is_link = fs::is_symlink(path, failure);  // of what is not there: no link, and an error that is none here
  failure.clear();
  return is_link ? fs::canonical(path, failure) : path;
}

}  // namespace

Result<std::string> read_file(const fs::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return problem("read", path, errno);
  std::string text;
  char buffer[16384];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return problem("read", path, errno);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

Status write_all(const Fd& fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error(Code::kFailed, std::strerror(errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status replace_file(const fs::path& path, std::string_view text, const ReplaceOptions& options) {
  std::error_code failure;
  const fs::path target = target_of(path, failure);
  if (failure) return Error(Code::kFailed, "cannot follow " + path.string() + ": " + failure.message());
  struct stat old {};
  const bool is_there = ::stat(target.c_str(), &old) == 0;
  if (!is_there && errno != ENOENT) return problem("look at", target, errno);
  if (is_there && !options.backup_suffix.empty()) {
    const auto before = read_file(target);
    if (!before) return before.error();
    if (Status kept = put(target.string() + std::string(options.backup_suffix), *before, &old, options); !kept) return kept;
  }
  if (Status done = put(target, text, is_there ? &old : nullptr, options); !done) return done;
  const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  const Fd folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return problem("sync the folder of", target, errno);
  return {};
}

void remove_leftovers(const fs::path& path) {
  std::error_code failure;
  const fs::path target = target_of(path, failure);
  const std::string name = target.filename().string() + ".";
  const std::size_t length = name.size() - 1 + kFreshPattern.size() + kFreshSuffix.size();
  for (fs::directory_iterator entry(target.parent_path(), failure), end; !failure && entry != end; entry.increment(failure)) {
    const std::string found = entry->path().filename().string();
    if (found.size() == length && found.starts_with(name) && found.ends_with(kFreshSuffix)) ::unlink(entry->path().c_str());
  }
}

}  // namespace dynflow
