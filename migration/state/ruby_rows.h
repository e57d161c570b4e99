// A row of a Ruby dynflow database as one JSON object, and records made from such rows.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "migration/state/plan_source.h"
#include "migration/state/ruby_values.h"

namespace dynflow::migration {

// The rows of one plan. Members are named as the columns; cells that hold documents are decoded already, and what stands in `data` has
// replaced the columns' values.
struct RubyPlanRows {
  Json plan;
  std::vector<Json> steps;    // by id
  std::vector<Json> actions;  // by id
  std::vector<Json> chunks;   // in the order of arrival: "action_id", "kind", "timestamp", "chunk"
  std::optional<Json> delayed;          // its row among the delayed plans
  std::vector<std::string> blocked_by;  // ids of the plans it waits for
};

// Secrets in inputs are masked. Errors: kCorrupt, naming row and column, when the rows make no plan; kUnprocessable when it is one that
// only Ruby can continue.
Result<StoredPlan> plan_from_rows(const RubyPlanRows& rows);

}  // namespace dynflow::migration
