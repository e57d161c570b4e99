// Bounded parsing and writing of JSON. Nothing else in the tree calls the library's parse or dump.
//
// Threads: all functions may be called from any thread. Cost: parsing 1 kB takes about 15 us.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/json/json_fwd.h"

namespace dynflow::json {

struct Limits {
  std::size_t bytes = 64 * 1024 * 1024;
  std::size_t depth = 100;       // nested arrays and objects
  std::size_t keys = 20'000;     // in one object
  std::size_t values = 4'000'000;  // in the whole document
};

// Strict RFC 8259 on valid UTF-8; of duplicate keys the last wins. Errors: kInvalid (not JSON; the text says where),
// kTooLarge (over `limits.bytes`), kUnprocessable (over another limit).
Result<Json> parse(std::string_view text, const Limits& limits = {});

// Compact text, written as Ruby's json gem does: floats always with a fraction and in shortest round-trip form ("0.0",
// "100.0", "1.0e+20"), NaN and infinities as null, invalid UTF-8 replaced by U+FFFD. Never throws for any value
// that fits into memory; values deeper than 1,000 levels (our own bug) are cut to null.
std::string dump(const Json& value);
void dump_to(std::string& out, const Json& value);
// Only the quoted, escaped form of one string.
void dump_string_to(std::string& out, std::string_view text);
void dump_double_to(std::string& out, double value);

// Member access that never inserts and never throws. `find` gives null when `object` is no object or lacks the key.
const Json* find(const Json& object, std::string_view key);
// The member if it is a string, else `fallback`.
std::string get_string(const Json& object, std::string_view key, std::string_view fallback = {});
bool get_bool(const Json& object, std::string_view key, bool fallback);
std::int64_t get_int(const Json& object, std::string_view key, std::int64_t fallback);

}  // namespace dynflow::json
