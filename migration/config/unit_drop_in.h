// The limits and the environment of the core service's unit, for the unit that runs the jobs from now on (C10).
//
// Threads: pure functions of what was read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migration/site/site.h"

namespace dynflow::migration {

// What one unit has and another lacks.
struct UnitDifference {
  std::string place;      // "/etc/.../limits.conf" or the environment file
  std::string directive;  // "LimitNOFILE=1000000", "Environment=\"NAME=value\""
  bool is_carried = false;  // apply writes it; others need a human: sandboxes, commands, the database
};

std::vector<UnitDifference> unit_differences(const Site& site, std::string_view from, std::string_view to);

// Where the carried ones go for a unit, as the site names it.
std::string drop_in_path(std::string_view unit);
// The drop-in with all that is carried; empty: nothing is. What an earlier change put there stays.
std::string drop_in_text(const Site& site, std::string_view from, std::string_view to);

}  // namespace dynflow::migration
