// The status document of a plan, byte-compatible with Dynflow's ExecutionPlan#to_hash plus actions
// (spec: key order, time and number formats; Dynflow 2.0.0, lib/dynflow/execution_plan.rb).
//
// Threads: may be called from any thread.
#pragma once

#include <string>

#include "shared/base/result.h"
#include "shared/engine/world.h"

namespace dynflow::engine {

// JSON text. Where an action's output has a key "result" that is an empty array, the stored chunks of that action take its
// place as [{"output_type","output","timestamp","id"?},...]. Errors: kNotFound, and the store's.
Result<std::string> status_document(World& world, std::string_view plan_id);

// One action's output as JSON text with its chunks in place, as callbacks send it. Errors as above.
Result<std::string> output_document(World& world, std::string_view plan_id, int action_id);
// The same of a plan that is at hand.
Result<std::string> output_document(World& world, const persistence::PlanRecord& plan, int action_id);

}  // namespace dynflow::engine
