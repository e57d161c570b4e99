// Bounded reading of MessagePack.
//
// Threads: all functions may be called from any thread.
#pragma once

#include <string_view>

#include "shared/json/json.h"

namespace dynflow::json {

// MessagePack as Ruby's dynflow writes it, made into what JSON can hold: text, keys and binary text are UTF-8, with U+FFFD for what is none; the
// extension types 0 to 2 (times) become "2026-11-22 06:52:28 +0000", type 3 (dates) "2026-11-22". Errors: those of parse();
// kInvalid also for other extensions, for keys that are no text, and for bytes behind the value.
Result<Json> parse_msgpack(std::string_view bytes, const Limits& limits = {});

}  // namespace dynflow::json
