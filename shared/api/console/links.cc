#include "shared/api/console/links.h"

#include <fmt/format.h>

#include <algorithm>

namespace dynflow::api::console {

std::string url_encoded(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          std::string_view("-._~").find(c) != std::string_view::npos;
    if (is_plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  // Alone they would mean a step up.
  if (out == "." || out == "..") return out == "." ? "%2E" : "%2E%2E";
  return out;
}

Links::Links(std::string_view path) {
  path.remove_prefix(std::min(path.size(), kMount.size()));
  const auto depth = std::count(path.begin(), path.end(), '/');
  if (depth == 0) {
    root_ = "console/";
  } else if (depth == 1) {
    root_ = "./";
  }
  for (auto level = depth; level > 1; --level) root_ += "../";
}

std::string Links::plan(std::string_view id, std::string_view query) const { return fmt::format("{}{}{}", root_, url_encoded(id), query); }

std::string Links::action(std::string_view plan_id, int action_id) const {
  return fmt::format("{}{}/actions/{}", root_, url_encoded(plan_id), action_id);
}

std::string Links::command(std::string_view plan_id, std::string_view command) const {
  return fmt::format("{}{}/{}", root_, url_encoded(plan_id), command);
}

}  // namespace dynflow::api::console
