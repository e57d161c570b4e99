// What can be stored and read again. User code hands us any bytes and any JSON; what a store would refuse would leave a plan
// without its result, so it is repaired or refused here.
//
// Threads: pure functions.
#pragma once

#include <string>

#include "shared/base/result.h"
#include "shared/json/json_fwd.h"

namespace dynflow::engine {

// Valid UTF-8 without NUL: what is not takes U+FFFD's place. Cost: one pass over good text.
std::string storable_text(std::string text);

// JSON text of `value`, the input or output of an action. kUnprocessable: nested too deeply or with too many members to be read
// again; kTooLarge: more than 64 MiB; kInvalid: no object.
Result<std::string> storable_json(const Json& value);

}  // namespace dynflow::engine
