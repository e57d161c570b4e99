// Drives the phases of one action without a world: for the tests of those who write actions.
//
//   ActionDriver driver(registry);
//   driver.plan("Mine", args);          throws what plan() threw
//   driver.run();                       and again, with the events it planned, by advance()
//   driver.finalize();
//
// Threads: one.
//
// Source: Dynflow 2.0.0, lib/dynflow/testing/factories.rb.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/engine/registry.h"
#include "shared/engine/world.h"
#include "shared/json/json.h"

namespace dynflow::engine::testing {

// What plan() asked for below the action.
struct PlannedAction {
  std::string action_class;
  Json args;
};

struct PlannedEvent {
  Event event;
  Duration after{};  // from when it was planned
  Instant due{};
};

class ActionDriver {
 public:
  // `registry` outlives the driver and has the classes that are planned.
  explicit ActionDriver(const ActionRegistry& registry);
  ~ActionDriver();
  ActionDriver(const ActionDriver&) = delete;
  ActionDriver& operator=(const ActionDriver&) = delete;

  // A fresh action's plan(). Actions below it are recorded and not planned; references to their output have distinct ids. Throws
  // ActionError("NameError") for a class that the registry lacks.
  void plan(std::string_view action_class, Json args = Json::object());
  // run(), as often as wanted; `event` as from outside. Throws what it threw: output and what it did until then are kept.
  void run();
  void run(const Event& event);
  void finalize();
  // Moves the clock from one planned event to the next and runs each, until `by` has passed or the action does not wait any more.
  // Returns how many ran.
  int advance(Duration by);

  bool has_run_step() const { return has_run_step_; }            // plan() called plan_self() and the class has run()
  bool has_finalize_step() const { return has_finalize_step_; }
  bool is_suspended() const { return is_suspended_; }
  Json& input() { return input_; }
  Json& output() { return output_; }
  Json& secrets() { return secrets_; }
  Progress run_progress() const;
  VirtualClock& clock() { return clock_; }
  const std::vector<PlannedAction>& planned_actions() const { return planned_actions_; }
  // Those that did not run yet, the earliest first.
  const std::vector<PlannedEvent>& planned_events() const { return planned_events_; }
  // Sub-plans that runs asked for; all of them count as planned.
  const std::vector<PlanRequest>& sub_plans() const { return sub_plans_; }
  const std::vector<std::string>& cancelled_plans() const { return cancelled_plans_; }
  // What runs wanted to be stored with their results.
  const persistence::WriteBatch& rows() const { return rows_; }
  const std::vector<persistence::OutputChunk>& chunks() const { return chunks_; }

 private:
  class PlanContext;
  class RunContext;
  class FinalContext;

  void run_with(const Event* event);

  const ActionRegistry& registry_;
  VirtualClock clock_;
  const ActionClass* class_ = nullptr;
  std::string name_;
  bool has_run_step_ = false;
  bool has_finalize_step_ = false;
  bool is_suspended_ = false;
  Json input_;
  Json output_;
  Json secrets_;
  std::vector<PlannedAction> planned_actions_;
  std::vector<PlannedEvent> planned_events_;
  std::vector<PlanRequest> sub_plans_;
  std::vector<std::string> cancelled_plans_;
  persistence::WriteBatch rows_;
  std::vector<persistence::OutputChunk> chunks_;
  std::vector<std::function<void(Status)>> listeners_;  // of the run under way
};

}  // namespace dynflow::engine::testing
