// The worlds on the database, and what this one is busy with.
//
// Threads: as World.
#pragma once

#include "shared/api/console/visit.h"
#include "shared/engine/world.h"
#include "shared/http/message.h"

namespace dynflow::api::console {

http::Response worlds_page(const Visit& visit, engine::World& world);

}  // namespace dynflow::api::console
