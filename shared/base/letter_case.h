// Letters of ASCII without regard to case, whatever the locale: names of hosts, headers and settings. Other bytes stay as they are.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace dynflow {

constexpr char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

inline std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower_case(c);
  return out;
}

}  // namespace dynflow
