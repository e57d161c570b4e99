// The actions that stand for a whole batch.
//
// Threads: actions; see engine/action.h.
//
// Source: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/action/{batch,single_runner_batch}.rb.
#pragma once

#include "shared/engine/registry.h"

namespace dynflow::launcher {

inline constexpr std::string_view kBatchAction = "Proxy::Dynflow::Action::Batch";
inline constexpr std::string_view kSingleRunnerBatchAction = "Proxy::Dynflow::Action::SingleRunnerBatch";

// The parent of a batch: ends at once, its output says how many plans belong to it. Cancelling it cancels nothing.
Status register_batch_actions(engine::ActionRegistry& registry);

}  // namespace dynflow::launcher
