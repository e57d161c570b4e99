// What becomes of a plan whose world is gone: one table.
//
// Threads: pure functions.
//
// Source: Dynflow 2.0.0, lib/dynflow/world/invalidation.rb, execution_plan.rb; unlike there the strategy Fail stops the plan.
#pragma once

#include <vector>

#include "shared/engine/states.h"

namespace dynflow::engine {

// What its steps say, once those that were running count as failed.
enum class Finding {
  kAny,           // in the table: whatever it is
  kAllPlanned,    // every plan step has succeeded
  kSound,         // nothing has failed
  kWantsSkip,     // something has, and the actions' rescue strategy says skip
  kWantsFail,
  kWantsPause,    // or there is no strategy to ask
};

enum class Takeover {
  kLeave,     // nothing is to be done
  kStart,     // its execution begins
  kContinue,  // what is suspended or pending goes on
  kSkip,      // the failed steps are skipped, the rest goes on
  kPause,     // a person decides
  kStop,      // it ends with an error
};

struct RecoveryRule {
  PlanState state;
  Finding finding;
  Takeover takeover;
};

// The first rule that fits counts; there is one for everything.
const std::vector<RecoveryRule>& recovery_rules();
Takeover takeover_of(PlanState state, Finding finding);

// What a step is after its world has gone: running ones may or may not have done their work, and count as failed.
StepState recovered(StepState state);

}  // namespace dynflow::engine
