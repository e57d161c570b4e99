// The JSON twin of a plan's page.
//
// Threads: as World.
#pragma once

#include "shared/api/console/plan_view.h"
#include "shared/json/json_fwd.h"

namespace dynflow::api::console {

// The plan with its steps, without inputs and outputs: those are their actions'.
Json plan_document(engine::World& world, const PlanView& view);

}  // namespace dynflow::api::console
