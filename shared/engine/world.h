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
#include "shared/persistence/store.h"

namespace dynflow::engine {

// Runs tasks on threads. The pool of a running program, or a seeded single thread for tests.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual void post(std::function<void()> task) = 0;
  virtual void post_at(Instant when, std::function<void()> task) = 0;
  // No new tasks; returns when none runs. Harmless twice.
  virtual void stop() = 0;

  // A scheduler without threads of its own, for tests: whoever waits for the world runs its tasks meanwhile.
  virtual bool is_driven_by_waiters() const { return false; }
  // Runs one task in the caller's thread; false when none is ready.
  virtual bool run_one() { return false; }
};

// `threads` worker threads; timers by `clock`'s instants.
std::unique_ptr<Scheduler> make_thread_scheduler(std::size_t threads, const Clock& clock = system_clock());

// What to plan.
struct PlanRequest {
  std::string plan_id;          // empty: a fresh UUID
  std::string action_class;
  Json args;                    // what the action's plan() gets
  Json secrets;                 // kept in memory only; null = none
  std::string caller_plan_id;   // set for sub-plans
  int caller_action_id = 0;
  std::string request_digest;   // see PlanRecord
  std::string request_id;       // kept as "current_request_id" in the input of every action that has none; empty = none
};

// What became of a request.
struct Planned {
  std::string plan_id;
  // Set when the plan phase failed: the plan is stored as stopped with an error.
  std::optional<persistence::StepError> error;
};

// Told about every change of a plan's state, on the plan's strand (for a plan that was just made: in the thread of trigger()),
// before the change is stored: what is added to `batch` becomes durable with it. Must be quick and must not throw.
class PlanObserver {
 public:
  virtual ~PlanObserver() = default;
  virtual void plan_changed(const persistence::PlanRecord& plan, persistence::WriteBatch& batch) = 0;
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
  bool auto_rescue = true;
  std::vector<MiddlewareUse> middleware;     // around the phases of all actions, outermost first
  std::vector<QueueOptions> queues;          // "default" is there in any case, without a limit of its own
  // Steps run in the order of the flow that is shown, even where nothing asks for it: as Dynflow does.
  bool follows_flow_strictly = false;
  // Plans in work, suspended ones included; launches beyond are refused with kBusy.
  std::size_t max_active_plans = 200'000;
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  const std::string& id() const;
  const Clock& clock() const;

  // Takes up what an earlier world left (spec table 15.3 as corrected): steps that were running become errors, suspended
  // ones are run again with no event, waiting events are delivered. Blocks. kInvalid: the rules of the middleware form a circle;
  // kConflict: two queues have one name.
  Status start();
  // No new plans; lets running steps end until the deadline; writes where everything stands. Blocks. Harmless twice.
  void stop(Deadline deadline);

  // Plans and starts all requests; blocks until their plans are durable in one transaction. Errors, and then nothing is
  // stored: kNotFound (an action class is not registered), kConflict (an id exists), kBusy (too much in work), kClosed,
  // and the store's.
  Result<std::vector<Planned>> trigger(std::vector<PlanRequest> requests);

  // Sends Cancel (or Abort when `force`) to every running or suspended step that understands it. The number of events sent;
  // 0 for plans that ended. Durable when it returns. kNotFound for unknown plans. Blocks.
  Result<int> cancel(std::string_view plan_id, bool force = false);

  // An event from outside, durable when this returns. kNotFound: no such plan or step; kConflict: the step is not waiting for
  // events any more. Blocks.
  Status send_durable(std::string_view plan_id, int step_id, Event event);
  // An event from inside this process; lost with it.
  void send(std::string plan_id, int step_id, Event event);

  // Output of a running action, stored as rows in order; the rows are readable soon after. Sequence numbers are given here;
  // timestamps are made strictly growing.
  void append_output(const std::string& plan_id, int action_id, std::vector<persistence::OutputChunk> chunks);
  // Calls `done` when everything appended before is durable, or failed.
  void flush_output(const std::string& plan_id, std::function<void(Status)> done);

  // Continues a paused plan. kNotFound, kConflict (not paused). Blocks.
  Status resume(std::string_view plan_id);
  // Marks a failed step of a paused plan, and what depends on it, to be skipped at the next resume. Blocks.
  Status skip(std::string_view plan_id, int step_id);

  // The current image of a plan: from memory while it is in work, else from the store. kNotFound.
  Result<persistence::PlanRecord> find_plan(std::string_view plan_id);
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

  // Plans in work in this world, suspended ones included.
  std::size_t active_plans() const;
  std::vector<QueueStatus> queues() const;
  // Events that came for plans and steps that did not take them any more, since the start.
  std::uint64_t dead_letters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dynflow::engine
