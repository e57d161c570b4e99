// Base64 (RFC 4648 section 4) with padding.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dynflow {

std::string base64_encode(std::string_view bytes);

// Nothing when `text` holds anything else than the alphabet and the right padding.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace dynflow
