// A world on virtual time with actions made of functions.
#pragma once

#include <catch2/catch.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/engine/presentation.h"
#include "shared/engine/serializer.h"
#include "shared/engine/status_document.h"
#include "shared/engine/world.h"
#include "shared/json/json.h"
#include "tests/support/engine/scripted_store.h"
#include "shared/engine/testing/seeded_scheduler.h"

namespace dynflow::engine {

using persistence::PlanRecord;
using persistence::PlanResult;
using persistence::PlanState;
using persistence::StepPhase;
using persistence::StepRecord;
using persistence::StepState;

struct Script {
  std::string name;
  std::function<void(Planning&, Json)> plan = nullptr;
  std::function<void(Running&, const Event*)> run = nullptr;
  std::function<void(Finalizing&)> finalize = nullptr;
  RescueStrategy strategy = RescueStrategy::kPause;
  std::function<RescueStrategy(RescueStrategy)> for_planned = nullptr;
  std::function<void(Presenting&)> present = nullptr;
  std::function<std::string(const Json&)> label = nullptr;
  std::function<std::string(const Json&)> humanized_state = nullptr;
  std::function<Progress(const Json&)> progress = nullptr;
  bool takes_events = false;
  bool is_cancellable = false;
  bool is_pure = false;
  bool rearms_timers = false;
  const Serializer* serializer = nullptr;
};

class ScriptedAction final : public Action {
 public:
  explicit ScriptedAction(std::shared_ptr<const Script> script) : script_(std::move(script)) {}
  void plan(Planning& planning, Json args) override {
    script_->plan ? script_->plan(planning, std::move(args)) : Action::plan(planning, std::move(args));
  }
  void run(Running& running, const Event* event) override { script_->run(running, event); }
  void finalize(Finalizing& finalizing) override { script_->finalize(finalizing); }
  RescueStrategy rescue_strategy() const override { return script_->strategy; }
  RescueStrategy rescue_strategy_for_planned(RescueStrategy wanted) const override {
    return script_->for_planned ? script_->for_planned(wanted) : wanted;
  }
  const Serializer& serializer() const override {
    return script_->serializer ? *script_->serializer : Action::serializer();
  }
  void present(Presenting& presenting) const override {
    if (script_->present) script_->present(presenting);
  }
  std::string label(const Json& input) const override { return script_->label ? script_->label(input) : std::string(); }
  std::string humanized_state(const StepRecord& step, const Json& output) const override {
    return script_->humanized_state ? script_->humanized_state(output) : Action::humanized_state(step, output);
  }
  Progress run_progress(const Json& input, const Json& output) const override {
    return script_->progress ? script_->progress(output) : Action::run_progress(input, output);
  }

 private:
  const std::shared_ptr<const Script> script_;
};

inline ActionClass to_class(Script script) {
  ActionClass result;
  result.name = script.name;
  result.has_run = script.run != nullptr;
  result.has_finalize = script.finalize != nullptr;
  result.takes_events = script.takes_events;
  result.is_cancellable = script.is_cancellable;
  result.is_pure = script.is_pure;
  result.rearms_timers = script.rearms_timers;
  auto shared = std::make_shared<const Script>(std::move(script));
  result.make = [shared] { return std::make_unique<ScriptedAction>(shared); };
  return result;
}

class Engine {
 public:
  explicit Engine(std::uint64_t seed = 1) : scheduler(std::make_unique<SeededScheduler>(seed, clock)), ids(seed) {
    store.use(*scheduler);
  }
  ~Engine() {
    world.reset();
    scheduler->stop();
  }
  void add(Script script) { add(to_class(std::move(script))); }
  void add(ActionClass action_class) { REQUIRE(registry.add(std::move(action_class)).ok()); }

  World& start() {
    options.store = &store;
    options.registry = &registry;
    options.scheduler = scheduler.get();
    options.clock = &clock;
    options.ids = &ids;
    options.observers = observers;
    options.auto_rescue = auto_rescue;
    options.max_active_plans = max_active_plans;
    options.max_resident_plans = max_resident_plans;
    options.share_above = share_above;
    world = std::make_unique<World>(options);
    REQUIRE(world->start().ok());
    return *world;
  }
  // The process dies now: what was not committed is lost.
  void crash() {
    store.cut_off();
    world.reset();
    scheduler = std::make_unique<SeededScheduler>(99, clock);
    store.reconnect();
    store.use(*scheduler);
  }

  std::string trigger(std::string name, Json args = Json::object()) {
    if (!world) start();
    PlanRequest request;
    request.action_class = std::move(name);
    request.args = std::move(args);
    auto planned = world->trigger({std::move(request)});
    REQUIRE(planned.ok());
    return planned->front().plan_id;
  }
  // Runs all that is ready and gives the plan's image.
  PlanRecord settle(const std::string& plan_id) {
    scheduler->run_ready();
    auto plan = world->find_plan(plan_id);
    REQUIRE(plan.ok());
    return std::move(*plan);
  }
  PlanRecord run(std::string name, Json args = Json::object()) { return settle(trigger(std::move(name), std::move(args))); }

  VirtualClock clock;
  std::unique_ptr<SeededScheduler> scheduler;
  SeededIds ids;
  ScriptedStore store;
  ActionRegistry registry;
  std::vector<PlanObserver*> observers;
  bool auto_rescue = true;
  std::size_t max_active_plans = 1'000'000;
  std::size_t max_resident_plans = 1'000'000;
  std::size_t share_above = 1'000'000;
  WorldOptions options;  // what is not one of the members above
  std::unique_ptr<World> world;
};

inline Json output_of(const PlanRecord& plan, int action_id = 1) {
  const auto& text = plan.actions.at(static_cast<std::size_t>(action_id - 1)).output;
  return text.empty() ? Json() : json::parse(text).value();
}
inline Json input_of(const PlanRecord& plan, int action_id = 1) {
  return json::parse(plan.actions.at(static_cast<std::size_t>(action_id - 1)).input).value();
}
inline const StepRecord& step_of(const PlanRecord& plan, int id) {
  return plan.steps.at(static_cast<std::size_t>(id - 1));
}
inline std::vector<std::string> history_of(const PlanRecord& plan) {
  std::vector<std::string> names;
  for (const auto& entry : plan.history) names.push_back(entry.name);
  return names;
}
inline std::string shown(const PlanRecord& plan) {
  std::string text(persistence::to_string(plan.state));
  return text + "/" + std::string(persistence::to_string(plan.result));
}

}  // namespace dynflow::engine
