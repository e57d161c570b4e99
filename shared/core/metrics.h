// What the core tells about itself: plans, steps, queues, runners, callbacks, the store.
//
// Threads: everything may be called from any thread.
#pragma once

#include <array>

#include "shared/callback/outbox.h"
#include "shared/engine/world.h"
#include "shared/metrics/numbers.h"
#include "shared/metrics/text.h"
#include "shared/persistence/store.h"
#include "shared/runner/dispatcher.h"

namespace dynflow::core {

// Counts what plans come to. An observer of the world.
class PlanNumbers final : public engine::PlanObserver {
 public:
  void plan_changed(const persistence::PlanRecord& plan, persistence::WriteBatch& batch) override;
  void write(metrics::Text& text) const;

 private:
  struct Phase {
    metrics::Histogram durations{metrics::kLong};
    metrics::Histogram work{metrics::kLong};
    metrics::Counter failed;
  };
  std::array<metrics::Counter, 5> ended_;  // by PlanResult
  metrics::Counter paused_;
  std::array<Phase, 3> phases_;            // by StepPhase
};

struct Measured {
  persistence::Store& store;
  engine::World& world;
  const runner::Dispatcher& dispatcher;
  std::size_t max_runners = 0;
  const callback::Outbox& outbox;
  const PlanNumbers& plans;
};

// dynflow_*. Cost: a few indexed counts, whatever the number of plans. What the store cannot tell is left out.
std::string metrics_text(const Measured& measured);

}  // namespace dynflow::core
