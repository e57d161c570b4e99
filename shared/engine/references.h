// References to the output of other actions inside an action's input: found while planning, replaced by values before a run.
//
// Threads: pure functions.
//
// Source: Dynflow 2.0.0, lib/dynflow/execution_plan/output_reference.rb.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "shared/engine/action.h"

namespace dynflow::engine {

inline constexpr std::string_view kOutputReferenceClass = "Dynflow::ExecutionPlan::OutputReference";

// All references anywhere in `input`.
std::vector<OutputReference> find_references(const Json& input);
// The same for stored text; cheap when there is none.
std::vector<OutputReference> find_references(std::string_view input_text);

// Replaces every reference by its value. `output_of` gives an action's output; null = no such action. Throws ActionError
// ("KeyError") when a value is missing.
void dereference(Json& input, const std::function<Json(const OutputReference&)>& output_of);

}  // namespace dynflow::engine
