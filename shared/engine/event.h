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

}  // namespace dynflow::engine
