// The steps of a plan in the order of a flow, a page of them at a time.
//
// Threads: as World.
#pragma once

#include <cstddef>
#include <functional>

#include "shared/api/console/html.h"
#include "shared/engine/flow.h"

namespace dynflow::api::console {

struct FlowWindow {
  std::size_t first = 0;  // steps before are left out
  std::size_t count = 0;
};

// Sequences and concurrences as boxes around their steps; boxes without a step of the window are left out.
Html html_of(const engine::Flow& flow, FlowWindow window, const std::function<Html(int step_id)>& show_step);

}  // namespace dynflow::api::console
