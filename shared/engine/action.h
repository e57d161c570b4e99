// Actions: what a workflow is made of. A class of actions is registered by name (registry.h); the engine makes a fresh
// object for every execution of a phase, so nothing but input, output and ids survives between phases.
//
//   plan      builds the plan: plan_self, plan_action, sequence, concurrence
//   run       does the work; may suspend and be run again with an event
//   finalize  after all runs succeeded, one after another; may be repeated
//
// Threads: a phase runs on its plan's strand; no two phases of one plan run at the same time. The context objects are
// valid during the call only; SuspendedAction may be kept and used from any thread.
//
// Errors: an action fails by throwing. ActionError gives the texts that are stored; any other std::exception is stored as
// RuntimeError with its what(), anything else that is thrown as UnknownError. Input and output that the store could not give
// back (nested too deeply, too large: storable.h) fail the step too; what JSON cannot hold is replaced as json::dump() says.
//
// Source: Dynflow 2.0.0, lib/dynflow/action.rb.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/secret.h"
#include "shared/engine/event.h"
#include "shared/json/json_fwd.h"
#include "shared/persistence/store.h"

namespace dynflow::engine {

class Presenting;
class Serializer;  // serializer.h
class World;
struct PlanRequest;  // world.h
struct Planned;

// A failure with the class name that users see ("RuntimeError - ...").
class ActionError : public std::runtime_error {
 public:
  ActionError(std::string exception_class, const std::string& message)
      : std::runtime_error(message), exception_class_(std::move(exception_class)) {}
  const std::string& exception_class() const { return exception_class_; }

 private:
  std::string exception_class_;
};

// What happens to a plan whose step failed (Dynflow: Skip, Fail, Pause).
enum class RescueStrategy {
  kSkip,   // skip the failed step and what depends on it, go on; the plan ends with a warning
  kFail,   // stop the plan with an error
  kPause,  // wait for a person
};

// A handle to a suspended (or about to be suspended) run step.
class SuspendedAction {
 public:
  SuspendedAction(World& world, std::string plan_id, int step_id)
      : world_(&world), plan_id_(std::move(plan_id)), step_id_(step_id) {}
  // Of an action that is driven without a world: what is sent goes nowhere.
  SuspendedAction(std::string plan_id, int step_id) : plan_id_(std::move(plan_id)), step_id_(step_id) {}
  const std::string& plan_id() const { return plan_id_; }
  int step_id() const { return step_id_; }
  // Delivers in order of the calls of one thread. Lost only when the step has ended (logged at debug).
  void send(Event event) const;

 private:
  World* world_ = nullptr;  // outlives every action
  std::string plan_id_;
  int step_id_;
};

// Common to all phases.
class PhaseContext {
 public:
  virtual ~PhaseContext() = default;
  virtual World& world() = 0;
  // The world's. For actions that can also be driven without one (testing/action_driver.h).
  virtual const Clock& clock();
  virtual const std::string& plan_id() const = 0;
  virtual int action_id() const = 0;
  virtual const std::string& action_class() const = 0;  // the name it was asked for by
  // The plan that this plan was launched by; empty = none.
  virtual const std::string& caller_plan_id() const = 0;
  // The secrets that came with the launch, null when there were none or the process was restarted since.
  virtual const Json& secrets() const = 0;
  // Why secrets that came with the launch cannot be read; empty: they can, there are none, or they were in the memory of another process.
  virtual std::string_view secrets_loss() const { return {}; }
  virtual Json& input() = 0;
  virtual std::string request_id() const = 0;  // input["current_request_id"], for logs
};

// The value `output[subkeys...]` of an action planned before; put into another action's input with to_json().
struct OutputReference {
  std::string plan_id;
  int step_id = 0;  // the run step to wait for
  int action_id = 0;
  std::vector<std::string> subkeys;

  OutputReference operator[](std::string key) const;
  Json to_json() const;
};

class Planning : public PhaseContext {
 public:
  // Merges `input` into the action's input and gives it its run and finalize steps. Returns the reference to its output.
  virtual OutputReference plan_self(Json input) = 0;
  // Plans another action below this one with `args`; throws what its plan phase threw. Returns the reference to its output.
  virtual OutputReference plan_action(std::string_view action_class, Json args) = 0;
  virtual void sequence(const std::function<void()>& block) = 0;
  virtual void concurrence(const std::function<void()>& block) = 0;
  // The input of the action that this one subscribes to, when that is why it is planned; else null.
  virtual const Json* trigger_input() const = 0;
};

// How many sub-plans one call makes at most.
inline constexpr std::size_t kMaxSubPlans = 100;

class Running : public PhaseContext {
 public:
  virtual Json& output() = 0;
  // The step goes to `suspended` when run returns; an event runs it again. The handle may be used at once.
  virtual SuspendedAction suspend() = 0;
  // Sends an event to this step after the result of this run was stored; `after` zero = at once.
  virtual void plan_event(Event event, Duration after) = 0;
  // Rows that become durable together with the result of this run; dropped when it fails.
  virtual persistence::WriteBatch& transaction() = 0;
  // `then` hears when the result of this run is durable, or that it never will be: the run failed, or the plan was taken away. On the plan's
  // strand: it must be quick and must not throw.
  virtual void when_stored(std::function<void(Status)> then) = 0;
  // Output as a row of its own, behind all that came before; stored with the result of this run, failed or not.
  virtual void output_chunk(std::string text, std::string kind = "stdout") = 0;
  // The rows that earlier runs left. Blocks on the store. Throws ActionError when it cannot be read.
  virtual std::vector<persistence::OutputChunk> stored_output_chunks() = 0;
  // Removes the output that this action has given until now, that of its runner included, when the result of this run is stored; a run that
  // fails drops nothing. Does not block.
  virtual void drop_output_chunks() = 0;
  virtual int step_id() const = 0;
  // True when the plan was halted, or taken away from this world, while this runs: it should return soon, and nothing it did is kept.
  // From any thread.
  virtual bool is_halted() const = 0;

  // Plans that belong to this action: their plan phases run now, their rows become durable together with the result of this run,
  // and they start when that is so. A run that fails makes none. Caller and request id are filled in. At most kMaxSubPlans at
  // a time. Errors, and then none is made: kBusy (too much in work or to be written, try later), kClosed (the world is stopping), kNotFound
  // (unknown action class), kConflict (a plan of that id exists), kInvalid (too many), and the store's.
  virtual Result<std::vector<Planned>> plan_sub_plans(std::vector<PlanRequest> requests) = 0;
  // All plans that this action has made, those that are not durable yet included. Reads the store.
  virtual Result<std::vector<persistence::PlanStatus>> sub_plans() = 0;
  // Sends Cancel (or Abort) to every step of another plan that understands it. The request becomes durable together with the result of
  // this run and is sent then; dropped when the run fails.
  virtual void cancel_plan(const std::string& plan_id, bool force) = 0;
  // The events of this name that wait for this step, in the order of arrival: they count as handled by this run.
  virtual std::vector<Event> take_events(std::string_view name) = 0;
};

class Finalizing : public PhaseContext {
 public:
  virtual Json& output() = 0;
};

struct Progress {
  double done = 0.5;  // 0 to 1
  double weight = 1;  // beside the other steps of the plan
};

class Action {
 public:
  virtual ~Action() = default;

  // Default: planning.plan_self(args); of a subscriber: planning.plan_self(input of the action it subscribes to).
  virtual void plan(Planning& planning, Json args);
  // `event` is null at the first run and at a repetition after failure, restart or resume. An action that gets an event it
  // does not know should throw.
  virtual void run(Running& running, const Event* event);
  virtual void finalize(Finalizing& finalizing);

  // What to do when a step of this action failed.
  virtual RescueStrategy rescue_strategy() const { return RescueStrategy::kPause; }
  // What to do when an action planned below this one failed and would have `wanted`.
  virtual RescueStrategy rescue_strategy_for_planned(RescueStrategy wanted) const { return wanted; }
  // How far the action is, after a run or finalize that did not end the step.
  virtual Progress run_progress(const Json& input, const Json& output) const;
  virtual Progress finalize_progress(const Json& input, const Json& output) const;
  // How the arguments of a plan of this action are stored while it is delayed. Default: as they are. The object outlives the action's.
  virtual const Serializer& serializer() const;
  // Changes copies for documents and pages only, e.g. to mask what must not be shown. An action whose present() throws is
  // shown with empty input and output.
  virtual void present(Presenting& presenting) const;
  // The word for a step of this action on pages. Default: its state.
  virtual std::string humanized_state(const persistence::StepRecord& step, const Json& output) const;
  // What a plan with this action as its root is called. Default, and when empty: the name it was asked for by.
  virtual std::string label(const Json& input) const;
};

}  // namespace dynflow::engine
