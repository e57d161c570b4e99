// One plan: its state, its steps in the order of its flows, what went in and came out, its errors and its history.
//
// Threads: as World.
#pragma once

#include <string>

#include "shared/api/console/visit.h"
#include "shared/engine/world.h"
#include "shared/http/message.h"

namespace dynflow::api::console {

// Query parameters: `step`: whose input and output are shown (else those of the plan's steps, when there are few, and of those that failed);
// `from`: how many steps are left out; `live=0`: the page of a plan in work is not shown again by itself.
http::Response plan_page(const Visit& visit, engine::World& world, const std::string& plan_id, const std::string& notice);

}  // namespace dynflow::api::console
