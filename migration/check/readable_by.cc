#include "migration/check/readable_by.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>

namespace dynflow::migration {

namespace fs = std::filesystem;

namespace {

// `bit`: 4 read, 2 write, 1 enter.
bool may(const struct stat& about, const User& user, mode_t bit) {
  if (user.uid == 0) return true;
  if (about.st_uid == user.uid) return (about.st_mode & (bit << 6)) != 0;
  if (std::find(user.groups.begin(), user.groups.end(), about.st_gid) != user.groups.end()) return (about.st_mode & (bit << 3)) != 0;
  return (about.st_mode & bit) != 0;
}

}  // namespace

std::optional<User> find_user(const std::string& name) {
  const passwd* row = getpwnam(name.c_str());
  if (row == nullptr) return std::nullopt;
  User user{name, row->pw_uid, {}};
  int count = 256;
  user.groups.resize(static_cast<std::size_t>(count));
  if (getgrouplist(name.c_str(), row->pw_gid, user.groups.data(), &count) < 0) count = 256;  // more than we look at
  user.groups.resize(static_cast<std::size_t>(count));
  return user;
}

std::string obstacle_to(const fs::path& file, const User& user) {
  std::error_code failure;
  const fs::path real = fs::canonical(file, failure);
  if (failure) return {};
  struct stat about {};
  fs::path way;
  for (const fs::path& part : real.parent_path()) {
    way /= part;
    if (stat(way.c_str(), &about) == 0 && !may(about, user, 1)) return fmt::format("{} may not be entered by {}", way.string(), user.name);
  }
  if (stat(real.c_str(), &about) == 0 && !may(about, user, 4)) return fmt::format("{} is not readable by {}", real.string(), user.name);
  return {};
}

bool may_write(const fs::path& path, const User& user) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 && may(about, user, 2) && (!S_ISDIR(about.st_mode) || may(about, user, 1));
}

bool is_open_to_all(const fs::path& file) {
  struct stat about {};
  return stat(file.c_str(), &about) == 0 && (about.st_mode & S_IROTH) != 0;
}

}  // namespace dynflow::migration
