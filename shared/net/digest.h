// Digests, for telling things apart, and for telling what we made ourselves.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace dynflow::net {

// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);
// HMAC with SHA-256 (RFC 2104) in the same form.
std::string hmac_sha256_hex(std::string_view key, std::string_view bytes);

}  // namespace dynflow::net
