// A world in the caller's thread on virtual time, for tests of actions that need more than a driver: sub-plans, events, rescue, restarts.
// The same seed gives the same order of everything.
//
//   auto store = persistence::open_sqlite_store({}).value();   in memory
//   InThreadWorld world(*store, registry);
//   const auto plan = world.run("Mine", Json{{"name", "x"}});
//
// Threads: one.
//
// Source: Dynflow 2.0.0, lib/dynflow/testing/{in_thread_world,in_thread_executor,managed_clock}.rb.
#pragma once

#include <memory>
#include <string>

#include "shared/engine/testing/seeded_scheduler.h"
#include "shared/engine/world.h"

namespace dynflow::engine::testing {

class InThreadWorld {
 public:
  // Starts the store when it was not, and takes up what it has. Both outlive the object. Throws ActionError when that fails.
  InThreadWorld(persistence::Store& store, const ActionRegistry& registry, std::uint64_t seed = 1);
  ~InThreadWorld();
  InThreadWorld(const InThreadWorld&) = delete;
  InThreadWorld& operator=(const InThreadWorld&) = delete;

  World& world() { return *world_; }
  VirtualClock& clock() { return clock_; }

  // Plans, and runs all that can be run without waiting for time. Throws ActionError when the plan cannot be made.
  persistence::PlanRecord run(const std::string& action_class, Json args = Json::object());
  // Runs all that is ready, in every plan; then the image of this one. Throws ActionError for an unknown plan.
  persistence::PlanRecord settle(const std::string& plan_id);
  void settle();
  // Lets time pass, from timer to timer, and runs what becomes ready.
  void advance(Duration by);
  // How many timers are armed.
  std::size_t timers() const { return scheduler_.timers(); }

 private:
  VirtualClock clock_;
  SeededScheduler scheduler_;
  SeededIds ids_;
  std::unique_ptr<World> world_;
};

}  // namespace dynflow::engine::testing
