// Checking and repairing UTF-8. Output of commands and headers of peers are arbitrary bytes.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dynflow {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

struct Utf8Step {
  std::size_t length;  // bytes to go on by, at least 1
  bool is_valid;       // false: the bytes are a maximal subpart of an ill-formed sequence (Unicode 15, 3.9)
};

// Looks at the start of `text`, which must not be empty.
Utf8Step utf8_step(std::string_view text);

bool is_valid_utf8(std::string_view text);

// `text` with each ill-formed part replaced; a plain copy when there is none.
std::string to_valid_utf8(std::string_view text, std::string_view replacement = kReplacementCharacter);

}  // namespace dynflow
