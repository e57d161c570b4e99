// Making foreign text fit for a log.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace dynflow::log {

// One line of valid UTF-8: bad bytes become "?" (as in upstream's buffer), control characters but tab become \n, \r,
// \x1b, \u009b.
std::string to_one_line(std::string_view text);

// The same for each line of `text`, each indented by two blanks; no newline at either end.
std::string to_indented_lines(std::string_view text);

// At most `longest` bytes, cut between characters, with a mark that says how much is missing.
std::string cut_text(std::string text, std::size_t longest);

}  // namespace dynflow::log
