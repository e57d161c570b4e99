// Whether a service may read a file: asked of the modes and owners on the way to it, for a user that this process is not.
//
// Threads: pure functions of the file system and the user database. Access control lists and SELinux are not looked at.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace dynflow::migration {

struct User {
  std::string name;
  uid_t uid = 0;
  std::vector<gid_t> groups;
};
// Nothing when there is no such user.
std::optional<User> find_user(const std::string& name);

// What keeps the user from reading the file: "/etc/x: not readable", "/etc: may not be entered"; empty: nothing. A file that is not there
// is nothing, too.
std::string obstacle_to(const std::filesystem::path& file, const User& user);
// Into the file, or files into the folder; the way to it is not looked at.
bool may_write(const std::filesystem::path& path, const User& user);
// Everybody may read it.
bool is_open_to_all(const std::filesystem::path& file);

}  // namespace dynflow::migration
