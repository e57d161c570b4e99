// Plans that were made together, on their way into the store.
//
// Threads: values; pure functions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared/engine/membership.h"
#include "shared/engine/planner.h"

namespace dynflow::engine {

struct Launch {
  std::vector<NewPlan> plans;
  std::vector<Json> secrets;             // of each
  std::vector<Planned> planned;          // of each
  persistence::WriteBatch rows;          // the plans, and what observers added
  bool has_other_rows = false;
  bool was_delayed = false;              // its plan was stored before
  std::shared_ptr<const Term> term;      // in which they were made

  std::vector<std::string> ids() const;
};

// Ends a plan that was planned and will not be started: its run steps fail with `text`, as Dynflow 2.0.0 does in
// lib/dynflow/throttle_limiter.rb. Nothing happens to one that failed already.
void refuse(NewPlan& plan, const std::string& text, Time now, const std::string& world_id);

}  // namespace dynflow::engine
