// What wakes a suspended step.
#pragma once

#include <string>
#include <string_view>

#include "shared/json/json.h"

namespace dynflow::engine {

// An event is a name and a JSON value, so that it can be a row as well.
struct Event {
  std::string name;
  Json data;  // null, or whatever the sender and the action agreed on
};

// Names the engine gives a meaning to (Dynflow 2.0.0, lib/dynflow/action/{cancellable,timeouts,polling}.rb).
inline constexpr std::string_view kCancel = "Dynflow::Action::Cancellable::Cancel";
inline constexpr std::string_view kAbort = "Dynflow::Action::Cancellable::Abort";
inline constexpr std::string_view kSkipEvent = "Dynflow::Action::Skip";
inline constexpr std::string_view kTimeout = "Dynflow::Action::Timeouts::Timeout";
inline constexpr std::string_view kPoll = "Dynflow::Action::Polling::Poll";
inline constexpr std::string_view kSubPlanFinished = "Dynflow::Action::WithSubPlans::SubPlanFinished";
inline constexpr std::string_view kNextBatch = "Dynflow::Action::WithBulkSubPlans::PlanNextBatch";


// To a plan rather than to one of its steps.
inline constexpr std::string_view kHaltPlan = "Dynflow::ExecutionPlan::Halt";
inline constexpr std::string_view kResumePlan = "Dynflow::ExecutionPlan::Resume";
inline constexpr std::string_view kSkipStep = "Dynflow::ExecutionPlan::Skip";  // data: {"step_id"}

}  // namespace dynflow::engine
