// What run steps really wait for, where the flow that is shown says more.
//
// A flow is a tree of sequences and concurrences, and not every order of steps is one: of b and c that need a, and d that needs
// both, the tree makes a, b, c, d one after another. Plans are shown and stored with the tree, as Dynflow makes it; the steps run by
// this order.
//
// Threads: pure functions.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "shared/engine/flow.h"
#include "shared/persistence/records.h"

namespace dynflow::engine {

// Step -> the steps that must have ended well before it. Steps that wait for nothing need not be there.
using StepOrder = std::map<int, std::vector<int>>;

// The order that the sequences of `asked` and the references (user, used) ask for. Nothing when `shown` asks for no more
// than that, or when there are many times more pairs than steps: then the flow is followed.
std::optional<StepOrder> order_beyond(const Flow& shown, const Flow& asked, const std::vector<std::pair<int, int>>& references);

// The order that is stored with the run steps (StepRecord::children) for those of `flow`. Nothing when there is none, or one that
// makes no sense.
std::optional<StepOrder> stored_order(const Flow& flow, const std::vector<persistence::StepRecord>& steps);

}  // namespace dynflow::engine
