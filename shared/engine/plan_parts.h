// Whether the rows of a stored plan fit together.
//
// Threads: pure functions.
#pragma once

#include "shared/base/result.h"
#include "shared/persistence/records.h"

namespace dynflow::engine {

// Steps and actions are found by their numbers, plan steps walked from parent to child. kCorrupt: some are missing, or name what is not there.
Status check_parts(const persistence::PlanRecord& plan);

}  // namespace dynflow::engine
