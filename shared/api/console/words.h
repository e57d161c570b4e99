// How times, states and plans are shown, on pages and in their JSON twins.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shared/api/console/html.h"
#include "shared/api/console/visit.h"
#include "shared/json/json_fwd.h"
#include "shared/persistence/records.h"

namespace dynflow::api::console {

// `word`: of a state or result; it is also the name of its colour.
Html badge(std::string_view word);
// "2026-11-22 06:52:28" with UTC, or a dash.
std::string shown_time(const std::optional<Time>& time);
// "0.25 s", "3 min 20 s", "2 h 5 min", or a dash for nothing.
std::string shown_seconds(double seconds);

// A form of one button. `command`: see Links.
Html button(const Visit& visit, std::string_view plan_id, std::string_view command, std::string_view text, bool is_risky = false);

// A plan's own row.
Json summary_of(const persistence::PlanRecord& plan);
Json time_or_null(const std::optional<Time>& time);
Json text_or_null(const std::string& text);

}  // namespace dynflow::api::console
