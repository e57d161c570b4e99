// One action of a plan, whole: what went in, what came out, what its job wrote.
//
// Threads: as World.
#pragma once

#include <string>

#include "shared/api/console/visit.h"
#include "shared/engine/world.h"
#include "shared/http/message.h"

namespace dynflow::api::console {

http::Response action_page(const Visit& visit, engine::World& world, const std::string& plan_id, int action_id);

}  // namespace dynflow::api::console
