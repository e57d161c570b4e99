// A world: one running instance of the engine over a store. It plans, runs and persists execution plans.
//
// Every plan in work has a strand: whatever changes it runs there, one thing at a time, on a small pool of threads. So plan
// code needs no locks, and a slow plan delays nobody else. Suspended steps hold no thread.
//
// Threads: all methods may be called from any thread; those that say "blocks" not from within a phase of an action.
//
// Source of behaviour: Dynflow 2.0.0, lib/dynflow/{world,director,execution_plan}.rb.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/deadline.h"
#include "shared/base/ids.h"
#include "shared/base/result.h"
#include "shared/engine/action.h"
#include "shared/engine/queues.h"
#include "shared/engine/registry.h"
#include "shared/engine/scheduler.h"
#include "shared/engine/secret_keeper.h"
#include "shared/persistence/store.h"

namespace dynflow::engine {

// What to plan.
struct PlanRequest {
  std::string plan_id;          // empty: a fresh UUID
  std::string action_class;
  Json args;                    // what the action's plan() gets
  Json secrets;                 // in memory, and in the store only as WorldOptions::secrets seals them; null = none
  std::string caller_plan_id;   // set for sub-plans
  int caller_action_id = 0;
  std::string request_digest;   // see PlanRecord
  std::string request_id;       // kept as "current_request_id" in the input of every action that has none; empty = none
  // Planned and stopped at once, its run steps failed with this text; empty = it starts. For what will not be started any more.
  std::string refusal;
};

// What became of a request.
struct Planned {
  std::string plan_id;
  // Set when the plan phase failed, or the arguments of a delayed plan could not be stored: the plan is stored as stopped with an error.
  std::optional<persistence::StepError> error;
};

// When a delayed plan is planned and started.
struct DelayOptions {
  std::optional<Time> start_at{};      // not before; none = as soon as nothing blocks it
  std::optional<Time> start_before{};  // it fails when it was not started by then
  bool is_frozen = false;            // not before set_frozen(id, false)
  std::vector<std::string> blocked_by{};  // plans that have to stop first; where one ends with an error, this one fails
};

// Told about every change of a plan's state, on the plan's strand (for a plan that was just made: in the thread of trigger()),
// before the change is stored: what is added to `batch` becomes durable with it. Must be quick and must not throw.
class PlanObserver {
 public:
  virtual ~PlanObserver() = default;
  virtual void plan_changed(const persistence::PlanRecord& plan, persistence::WriteBatch& batch) = 0;
  // The plan was halted, or another world may work on it: what is done for it outside this process has to end, and nobody
  // asks for its result. On any thread; once an execution.
  virtual void plan_dropped(const std::string& plan_id) { static_cast<void>(plan_id); }
  // Rows that actions (Running::transaction) or observers added have become durable, e.g. callbacks to deliver.
  virtual void rows_stored() {}
};

struct WorldOptions {
  persistence::Store* store = nullptr;       // outlives the world, started
  const ActionRegistry* registry = nullptr;  // outlives the world, complete
  Scheduler* scheduler = nullptr;            // outlives the world
  const Clock* clock = &system_clock();
  IdSource* ids = &system_ids();
  std::vector<PlanObserver*> observers;      // outlive the world
  // Outlives the world; null: secrets end with the process.
  const SecretKeeper* secrets = nullptr;
  bool auto_rescue = true;
  std::vector<MiddlewareUse> middleware;     // around the phases of all actions, outermost first
  std::vector<QueueOptions> queues;          // "default" is there in any case, without a limit of its own
  // Steps run in the order of the flow that is shown, even where nothing asks for it: as Dynflow does.
  bool follows_flow_strictly = false;
  // Plans that this world has taken on, suspended ones and those that wait for a place included; launches beyond are refused with kBusy.
  std::size_t max_active_plans = 200'000;
  // Plans that are in memory, for each level of sub-plans; further ones wait in the store and start, oldest first, when others end.
  std::size_t max_resident_plans = 50'000;
  // While other worlds are alive, plans beyond this number are left to whichever has room: those that came without secrets and
  // are nobody's sub-plans.
  std::size_t share_above = 2'000;
  // What other worlds may know of this one: a JSON object, completed with "hostname" and "pid".
  std::string meta = "{}";
  // On a store that other processes use: a world that does not renew for so long loses its plans to the others.
  Duration lease = std::chrono::seconds(60);
  Duration renew_interval = Duration::zero();  // zero: a quarter of the lease
  // How often a store that other processes use is looked at for what nobody told this world about.
  Duration poll_interval = std::chrono::seconds(15);
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Another one after the world was declared dead and has joined again.
  std::string id() const;
  const Clock& clock() const;

  // Joins the worlds on the store and takes up plans that nobody works on (recovery.h): steps that were running become errors,
  // suspended ones are run again with no event, waiting events are delivered. Blocks, though not until all are taken up: see
  // Coordinator::start(). kInvalid: the rules of the middleware form a circle; kConflict: two queues have one name.
  Status start();
  // Called by the first stop(), in the order of registration, with the time that is left to it; an error is logged. Before start().
  void before_termination(std::string name, std::function<Status(Deadline)> hook, Duration limit);
  // No new plans; lets running steps end until the deadline; writes where everything stands. Blocks. Harmless twice.
  void stop(Deadline deadline);
  // After the last stop(): other worlds may take up what is unfinished, and nothing is written any more. Blocks. Harmless twice.
  void leave();

  // Plans and starts all requests; blocks until their plans are durable in one transaction. Errors, and then nothing is
  // stored: kNotFound (an action class is not registered), kConflict (an id exists), kBusy (too much in work), kClosed,
  // and the store's.
  Result<std::vector<Planned>> trigger(std::vector<PlanRequest> requests);

  // Sends Cancel (or Abort when `force`) to every running or suspended step that understands it; a scheduled plan is ended. The
  // number of events sent; 0 for plans that ended. Durable when it returns, in whichever world the plan is. kNotFound for
  // unknown plans. Blocks.
  Result<int> cancel(std::string_view plan_id, bool force = false);

  // An event from outside, durable when this returns. kNotFound: no such plan or step; kConflict: the step is not waiting for
  // events any more. Blocks.
  Status send_durable(std::string_view plan_id, int step_id, Event event);
  // An event from inside this process; lost with it.
  void send(std::string plan_id, int step_id, Event event);

  // An event whose row is durable, for a plan that may be in work here: it goes to its step; with step 0 and the name kCancel or kAbort to
  // every step that understands it. When the plan is not in work here nothing happens, and the row waits for it.
  void deliver_stored(persistence::EventRecord event);

  // Output of a running action, stored as rows in order; the rows are readable soon after. Sequence numbers are given here;
  // timestamps are made strictly growing.
  void append_output(const std::string& plan_id, int action_id, std::vector<persistence::OutputChunk> chunks);
  // Calls `done` when everything appended before is durable, or failed.
  void flush_output(const std::string& plan_id, std::function<void(Status)> done);

  // Changes the output of a run step that waits, by the rules of a JSON merge patch (null removes a key); `done` hears when that is durable.
  // kNotFound: the plan is not in work here; kConflict: the step has ended; kClosed: the world is stopping, or has lost the plan. Does
  // not block.
  void note_output(const std::string& plan_id, int step_id, Json changes, std::function<void(Status)> done);

  // Stops a plan where it is, whatever its steps do: they stay as they are, running actions are told (Running::is_halted), runners are
  // ended. Durable when it returns, in whichever world the plan is. Nothing happens to one that has stopped. kNotFound. Blocks.
  Status halt(std::string_view plan_id);

  // Continues a paused plan; one that another world has in its hands goes on there. kNotFound, kConflict (not paused). Blocks.
  Status resume(std::string_view plan_id);
  // Marks a failed step of a paused plan, and what depends on it, to be skipped at the next resume. Blocks.
  Status skip(std::string_view plan_id, int step_id);

  // Stores a plan that is planned when `options` say so. Errors, and then nothing is stored: as trigger(); kNotFound also for an unknown
  // plan to wait for. Blocks.
  Result<Planned> delay(PlanRequest request, DelayOptions options);
  // One that starts when all of `plan_ids` have stopped.
  Result<Planned> chain(std::vector<std::string> plan_ids, PlanRequest request);
  // One that is planned at once, by whichever world comes first, and not by the caller. One with secrets is planned here.
  Result<Planned> plan_elsewhere(PlanRequest request);
  // Holds a delayed plan back, or lets it go, then at `start_at` if that is given. kNotFound: it is not delayed. Blocks.
  Status set_frozen(std::string_view plan_id, bool is_frozen, std::optional<Time> start_at = std::nullopt);

  // The current image of a plan: from memory while it is in work, else from the store. kNotFound.
  Result<persistence::PlanRecord> find_plan(std::string_view plan_id);
  // The same of one action, which is all that is read.
  Result<persistence::ActionRecord> find_action(std::string_view plan_id, int action_id);
  Result<std::vector<persistence::PlanStatus>> find_statuses(const std::vector<std::string>& plan_ids);
  persistence::Store& store();
  // Null when no such class is registered.
  const ActionClass* find_class(std::string_view name) const;
  // Null when nothing is around the phases of that class; null stands for an unknown one.
  const MiddlewareStack* middleware_of(const ActionClass* action_class) const;
  // What delay() middleware makes of the arguments of a plan that is to be planned later. Throws what a middleware threw.
  Json delayed_args(const std::string& plan_id, const std::string& action_class, Json args);
  // For those who store changes of plans themselves, e.g. of delayed ones: `plan` is durable with `states`, the last one
  // being its own.
  void run_hooks(const persistence::PlanRecord& plan, std::vector<persistence::PlanState> states);

  // Waits until nothing runs, is ready to run, or is being written; timers and suspended steps may be left. False: the deadline passed first.
  // Blocks.
  bool wait_until_idle(Deadline deadline);

  // Plans that this world has taken on, suspended ones and those that wait for a place included.
  std::size_t active_plans() const;
  // Those of them that are in memory.
  std::size_t resident_plans() const;
  std::vector<QueueStatus> queues() const;
  // Events that came for plans and steps that did not take them any more, since the start.
  std::uint64_t dead_letters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dynflow::engine
