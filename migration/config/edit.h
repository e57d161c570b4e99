// Edits of settings files that touch one line and leave the rest as it is: comments, order, quoting, colon keys, line ends.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/settings/schema.h"

namespace dynflow::migration {

// `text` with `key` (without colons) set to `value`, which is written as it is (YAML). A line of that key is changed, keeping
// its comment; else the line stands below a commented-out one of that key, else at the end. Of duplicates the last counts, as when
// reading. A text that says so already comes back unchanged. Errors: kUnprocessable: the value spans several lines, or
// the result would not read as wanted; kInvalid: the text or the value is no YAML.
// `keys`: whether whoever reads the file looks at a key without colons; else such a line is none of that key, and stays.
Result<std::string> set_key(std::string_view text, std::string_view key, std::string_view value, settings::StringKeys keys = settings::StringKeys::kAccepted);
// `text` without `key`: its lines become comments. Errors: as above.
Result<std::string> unset_key(std::string_view text, std::string_view key, settings::StringKeys keys = settings::StringKeys::kAccepted);
// What stands behind the key, as it is written; nothing when it is absent.
std::optional<std::string> written_value(std::string_view text, std::string_view key, settings::StringKeys keys = settings::StringKeys::kAccepted);

// A unified diff with three lines of context; empty when nothing differs.
std::string unified_diff(std::string_view path, std::string_view before, std::string_view after);

}  // namespace dynflow::migration
