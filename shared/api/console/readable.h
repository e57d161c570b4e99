// JSON as text for people: one value a line, text of several lines as it is.
//
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <string>

#include "shared/json/json_fwd.h"

namespace dynflow::api::console {

// YAML-like; not meant to be read by programs. Ends with a note when it would be longer than `limit` bytes. Empty for an empty object.
std::string readable(const Json& value, std::size_t limit);

}  // namespace dynflow::api::console
