// The small lists that are stored as JSON text within a row: histories, errors, children of steps. Empty text stands
// for an empty list and for no error.
//
// Threads: pure functions. Errors: kCorrupt when the text is not what the encoder writes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/persistence/records.h"

namespace dynflow::persistence {

std::string encode_history(const std::vector<HistoryEntry>& history);
Result<std::vector<HistoryEntry>> decode_history(std::string_view text);

std::string encode_error(const std::optional<StepError>& error);
Result<std::optional<StepError>> decode_error(std::string_view text);

std::string encode_children(const std::vector<int>& children);
Result<std::vector<int>> decode_children(std::string_view text);

// When a plan came to rest: the cleaner counts from here. Nothing unless it is stopped or paused.
std::optional<Time> resting_since(const PlanProgress& progress);

}  // namespace dynflow::persistence
