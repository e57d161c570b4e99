// Actions that leave evidence: tests of crashes read from it what ran, how often, and what became of acknowledged events.
#pragma once

#include "shared/engine/action.h"

namespace dynflow::peer_ops {

// Every run adds the line "<plan> <step>" to input["file"], synced before run returns, so that it survives whatever kills the
// process next. "before": n plans n more of them, beside each other, to run before this one.
class Record : public engine::Action {
 public:
  void plan(engine::Planning& planning, Json args) override;
  void run(engine::Running& running, const engine::Event* event) override;
};

// A run that a crash cut off ends its plan; those of Record pause theirs.
class RecordOrFail final : public Record {
 public:
  engine::RescueStrategy rescue_strategy() const override { return engine::RescueStrategy::kFail; }
};

// Waits for update and done, and keeps the "token" of each in output["tokens"], in order: part of the step's own result, so each
// must be there exactly once. An "exit_code" ends it; a cancel ends it with the exit status "CANCELLED".
class Collect final : public engine::Action {
 public:
  void plan(engine::Planning& planning, Json args) override;
  void run(engine::Running& running, const engine::Event* event) override;
};

}  // namespace dynflow::peer_ops
