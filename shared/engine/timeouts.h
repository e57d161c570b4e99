// Timeouts of suspended steps.
//
// Threads: called in a phase.
//
// Source: Dynflow 2.0.0, lib/dynflow/action/timeouts.rb.
#pragma once

#include "shared/engine/action.h"

namespace dynflow::engine {

// The step gets kTimeout after `after`, unless it has ended by then.
inline void schedule_timeout(Running& running, Duration after) { running.plan_event({std::string(kTimeout), Json()}, after); }

}  // namespace dynflow::engine
