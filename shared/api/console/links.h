// Links within the console. They are relative to the page they stand on, so they work at any place a relay shows the console
// at, whether it tells us or not.
//
// Threads: immutable.
#pragma once

#include <string>
#include <string_view>

namespace dynflow::api::console {

inline constexpr std::string_view kMount = "/console";

// For one segment of a path, or a name or value of a query: all but letters, digits and -._~ in percent escapes.
std::string url_encoded(std::string_view text);

class Links {
 public:
  // `path`: that of the page, still percent-encoded; it begins with kMount.
  explicit Links(std::string_view path);

  // `query`: with its question mark, or empty.
  std::string list(std::string_view query = {}) const { return root_ + std::string(query); }
  std::string worlds() const { return root_ + "worlds"; }
  std::string plan(std::string_view id, std::string_view query = {}) const;
  std::string action(std::string_view plan_id, int action_id) const;
  // "resume", "cancel", "halt", "skip/3", "cancel/3".
  std::string command(std::string_view plan_id, std::string_view command) const;

 private:
  std::string root_;  // "console/", "./", "../": never empty, so that no id is taken for a scheme
};

}  // namespace dynflow::api::console
