#include "shared/engine/storable.h"

#include <algorithm>

#include "shared/base/utf8.h"
#include "shared/json/json.h"
#include "shared/persistence/checks.h"

namespace dynflow::engine {

namespace {

// Inputs and outputs stand some levels deep in the documents that are made of them, and those must be readable too.
constexpr std::size_t kMaxDepth = 90;
// Text below this cannot break a limit: each level and each member takes some bytes.
constexpr std::size_t kSmall = 2 * kMaxDepth;

bool is_within(const Json& value, std::size_t depth, std::size_t& values_left) {
  if (values_left-- == 0) return false;
  if (!value.is_structured()) return true;
  if (depth == 0 || (value.is_object() && value.size() > json::Limits().keys)) return false;
  return std::all_of(value.begin(), value.end(),
                     [&](const Json& part) { return is_within(part, depth - 1, values_left); });
}

}  // namespace

std::string storable_text(std::string text) {
  if (persistence::is_storable(text)) return text;
  std::string valid = to_valid_utf8(text);
  std::string clean;
  for (const char c : valid) {
    if (c == '\0') {
      clean += kReplacementCharacter;
    } else {
      clean += c;
    }
  }
  return clean;
}

Result<std::string> storable_json(const Json& value) {
  if (!value.is_object()) return Error(Code::kInvalid, "is no object");
  std::string text = json::dump(value);
  if (text.size() <= kSmall) return text;
  if (text.size() > json::Limits().bytes) return Error(Code::kTooLarge, "is larger than 64 MiB");
  std::size_t values_left = json::Limits().values;
  if (!is_within(value, kMaxDepth, values_left)) {
    return Error(Code::kUnprocessable, "is nested too deeply or has too many members");
  }
  return text;
}

}  // namespace dynflow::engine
