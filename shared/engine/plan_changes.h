// Changes to a plan's record that are the same wherever they are made: in an execution, or to a plan that only lies in the store.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/engine/states.h"
#include "shared/persistence/store.h"

namespace dynflow::engine {

inline constexpr std::string_view kHaltEntry = "halt";
inline constexpr std::string_view kCancelEntry = "cancel requested";

void add_history(PlanRecord& plan, Time now, std::string_view name, const std::string& world_id);
// The state with its times and result; no history.
void mark_stopped(PlanRecord& plan, Time now);
// What the parent's run step is told when a sub-plan has stopped or paused.
persistence::EventRecord end_event(const PlanRecord& plan, int listening_step, Time now);
// The events that a batch stores, to be delivered when it is durable.
std::vector<persistence::EventRecord> events_in(const persistence::WriteBatch& rows);
persistence::PlanProgress progress_of_plan(const PlanRecord& plan);

}  // namespace dynflow::engine
