// Digests, for telling things apart.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace dynflow::net {

// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace dynflow::net
