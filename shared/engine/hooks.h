// Hooks: functions of action classes that hear about the states of their plans.
//
// Every action of a plan whose class has a hook for a state is told after the plan was stored with it: in the order of the
// states, on the world's threads but on no plan's strand. Slow hooks delay other hooks and nothing else; when too many wait, new
// launches are refused. What a hook throws is logged, and that is all. A crash loses hooks that had not run.
//
// Source: Dynflow 2.0.0, lib/dynflow/execution_plan/hooks.rb, execution_plan.rb:120-166.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/json/json_fwd.h"
#include "shared/persistence/records.h"

namespace dynflow::engine {

class ActionRegistry;
class MiddlewareStacks;
class Strand;
class World;

enum class HookOn {
  kPending, kScheduled, kPlanning, kPlanned, kRunning, kPaused, kStopped,
  kSuccess,  // stopped, and all went well
  kFailure,  // stopped with an error, a warning or cancelled
};
std::string_view to_string(HookOn on);

// What a hook gets; valid during the call. It may block, and may call the world.
struct HookContext {
  World& world;
  const persistence::PlanRecord& plan;  // as it was stored with the state
  const persistence::ActionRecord& action;
  HookOn on;
  const Json& input;   // as presented
  const Json& output;  // as presented
  bool is_root_action() const { return action.plan_step_id == plan.root_plan_step_id; }
};

struct Hook {
  std::string name;
  std::vector<HookOn> on;  // empty = all states, that is without kSuccess and kFailure
  std::function<void(const HookContext&)> call;
};

struct RemovedHook {
  std::string name;
  std::vector<HookOn> on;  // empty = for everything
};

// `on`, or what an empty list stands for.
std::vector<HookOn> kinds_of(const std::vector<HookOn>& on);

// Runs the hooks of a world.
//
// Threads: all methods may be called from any thread; hooks run one after another.
class HookRunner {
 public:
  // All outlive it; `lane` is the strand that hooks run on.
  HookRunner(World& world, const ActionRegistry& registry, const MiddlewareStacks& middleware, std::shared_ptr<Strand> lane)
      : world_(world), registry_(registry), middleware_(middleware), lane_(std::move(lane)) {}

  // Some action of the plan has hooks. False at once where no class has any.
  bool wants(const persistence::PlanRecord& plan) const;
  // The plan is stored with `states`, the last one being its own.
  void stored(std::shared_ptr<const persistence::PlanRecord> plan, std::vector<persistence::PlanState> states);
  // So many wait that no new plans should be taken.
  bool is_congested() const;

 private:
  void run(const persistence::PlanRecord& plan, HookOn on) const;

  World& world_;
  const ActionRegistry& registry_;
  const MiddlewareStacks& middleware_;
  const std::shared_ptr<Strand> lane_;
  std::atomic<std::size_t> waiting_{0};
};

}  // namespace dynflow::engine
