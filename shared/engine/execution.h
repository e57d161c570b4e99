// One execution plan in work: decides what runs next, runs it, and writes what came of it. (In Dynflow: the director's
// manager of a plan.)
//
// Threads: public methods may be called from any thread; everything else happens on the plan's strand.
//
// Durability: all that changed since the last write goes into one batch; one batch of a plan is on its way at a time. A run step
// that acts outside begins only when it is durable that it runs. A write that fails is made again, later and for ever
// less often, until it succeeds or the store says that it never will; then the plan pauses with that as the error.
//
// Source: Dynflow 2.0.0, lib/dynflow/director.rb, director/*.rb, action.rb:524-620.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>

#include "shared/engine/cursor.h"
#include "shared/engine/hooks.h"
#include "shared/engine/launch.h"
#include "shared/engine/membership.h"
#include "shared/engine/middleware.h"
#include "shared/engine/pending_writes.h"
#include "shared/engine/queues.h"
#include "shared/engine/recovery.h"
#include "shared/engine/seen_events.h"
#include "shared/engine/states.h"
#include "shared/engine/strand.h"

namespace dynflow::engine {

class Execution;

// What the executions of a world share; it outlives their last task.
struct Surroundings {
  World* world = nullptr;
  WorldOptions options;
  Membership* membership = nullptr;
  std::shared_ptr<Activity> activity;
  MiddlewareStacks middleware;
  Queues queues;
  std::unique_ptr<HookRunner> hooks;     // set before the first execution
  std::atomic<std::uint64_t> dead_letters{0};  // events that no step took
  std::atomic<bool> is_closing{false};  // true from stop(): nothing new that acts outside is begun
  // An execution came to its end, and that is durable; or its plan is beyond rescue.
  std::function<void(const Execution&, const PlanRecord& plan, Json secrets)> on_end;
  // Runs the plan phases of sub-plans; what comes of them is given to `launched`. Does not wait. Errors: Running::plan_sub_plans.
  std::function<Result<Launch>(std::vector<PlanRequest>)> prepare;
  // Their rows are durable and they may start, or they never will be.
  std::function<void(Launch&, const Status&)> launched;
  // The run step that wants to hear of the ends of plans which that action made; 0 = none. May read the store.
  std::function<Result<int>(const std::string& plan_id, int action_id)> listener_of;
  // The plan is in work in this world; else its owner has to be woken for its events.
  std::function<bool(const std::string& plan_id)> is_here;
};

class Execution : public std::enable_shared_from_this<Execution> {
 public:
  // Held by shared_ptr: the world while it is in work, and tasks and writes under way. It writes in `term` only.
  Execution(Surroundings& surroundings, std::shared_ptr<const Term> term, PlanRecord plan, Json secrets);

  // Secrets came with the launch and cannot be read any more, for that reason. Before start() and recover().
  void lost_secrets(std::string reason) { secrets_loss_ = std::move(reason); }
  // Starts a planned plan, or continues a paused one; then `events` are delivered. `done` (may be empty) hears when it is durable.
  void start(std::vector<persistence::EventRecord> events = {}, std::function<void(Status)> done = {});
  // Takes up a plan that an earlier world left; see World::start().
  void recover(std::vector<persistence::EventRecord> events);

  void send(int step_id, Event event);
  void send_durable(int step_id, Event event, std::function<void(Status)> done);
  void cancel(bool force, std::function<void(Result<int>)> done);
  // See World::deliver_stored().
  void deliver_stored(persistence::EventRecord event);
  // The run step of an action that listens to its sub-plans, 0 when it does not; nothing once the plan has ended.
  std::optional<int> listening_step(int action_id) const;
  void append_output(int action_id, std::vector<persistence::OutputChunk> chunks);
  void flush_output(std::function<void(Status)> done);
  // See World::note_output().
  void note_output(int step_id, Json changes, std::function<void(Status)> done);
  // Stops the plan where it is; a running action can see it at once. `event_id` is the row of the request, deleted with that. `done` hears
  // when it is durable; kConflict: the plan had ended, and that is durable.
  void halt(std::string event_id, std::function<void(Status)> done);
  // The plan is not this world's any more: nothing is written for it from now on.
  void drop();
  bool is_halted() const { return is_halted_; }
  // Observers have been told.
  bool is_dropped() const { return is_dropped_; }

  // The plan as it is now; nothing once it has ended, because its end is shown only when it is durable: then ask the store.
  std::optional<PlanRecord> image() const;
  std::optional<persistence::PlanStatus> status() const;

 private:
  class RunningContext;
  class FinalizingContext;
  struct Delivery {
    Event event;
    std::string durable_id;  // of its row; empty = none
  };
  // A run step that was handed out by the cursor and has not ended.
  struct OpenStep {
    bool is_busy = false;                // waits to run, or runs
    std::list<Delivery> waiting;         // events that came meanwhile
    StepState before = StepState::kPending;  // what it goes back to when the world stops before it began
    std::vector<std::pair<std::string, Scheduler::TimerId>> timers;  // by the id of the event
  };
  struct WorkItem {
    int step_id = 0;
    std::optional<Delivery> delivery;
    bool is_finalize_phase = false;  // the whole of it, inside its middleware
    bool is_unannounced = false;     // it must be durable first that it runs
  };
  // What a phase of an action left.
  struct Outcome {
    std::optional<persistence::StepError> error;
    bool is_suspended = false;
    Json input;
    Json output;
    std::string input_text;   // what is to be stored; empty = as before
    std::string output_text;
    persistence::WriteBatch rows;
    std::vector<persistence::OutputChunk> chunks;
    std::optional<std::size_t> dropped_chunks;  // so many of them, and all earlier output of the action, are to go
    std::vector<std::pair<Event, Duration>> planned_events;
    std::vector<Launch> launches;          // sub-plans
    std::vector<std::function<void(Status)>> listeners;  // hear when this is durable
    std::vector<persistence::EventRecord> sent_events;  // to other plans
    std::vector<std::string> taken_events;  // durable ids
    std::optional<Progress> progress;
  };
  struct ChunkCounter {
    std::int64_t last_sequence = 0;
    Time last_time{};
  };
  enum class Part { kRun, kFinalize, kOver };

  // execution.cc: what runs next.
  void begin();
  void begin_flows();
  void hand_out(std::vector<int> step_ids);
  void pump();
  std::optional<WorkItem> next_item();
  bool has_slot(const WorkItem& item);
  void slot_granted(int step_id, Queue::Slot slot);
  void withdraw(int step_id);
  void advance();
  void announce_steps();
  void advance_finalize();
  void run_part_failed();
  RescueStrategy choose_rescue();
  bool skip_failed_steps();
  void enter(PlanState state, bool adds_history = true);
  void fail_unreadable(const std::string& text);
  void recover_states();
  void fail_lost_steps();
  Finding find_out();
  void fail_suspended();

  // execution_steps.cc: one step.
  void execute(WorkItem item);
  void execute_run(WorkItem item);
  void execute_finalize(int step_id);
  void execute_finalize_phase(int first_step_id);
  const MiddlewareStack* finalize_phase_stack() const;
  void check_storable(Outcome& outcome, const std::string& action_class) const;
  Outcome run_action(int step_id, const Event* event);
  void store_outcome(int step_id, StepState state, Outcome& outcome, Time began, Duration took);
  void run_step_ended(int step_id);
  void deliver(int step_id, Delivery delivery);
  void deliver_waiting(std::vector<persistence::EventRecord> events);
  const ActionClass* class_of_step(int step_id) const;
  bool accepts_events(int step_id) const;
  Json output_for(const OutputReference& reference) const;

  // execution_timers.cc: events for later.
  void plan_event(int step_id, Event event, Duration after);
  void arm(const persistence::EventRecord& event);
  void timer_fired(int step_id, Delivery delivery);
  bool has_stored_event(int step_id) const;
  void forget_event(std::string id);

  // execution_halting.cc: ends from outside.
  void halt_now();
  void close_steps(bool forgets_events);
  void abandon(int step_id, StepState before, Outcome& outcome);
  void tell_dropped();

  // execution_sub_plans.cc: plans that belong to this one, and the one that this belongs to.
  Result<std::vector<Planned>> plan_sub_plans(int step_id, Outcome& outcome, std::vector<PlanRequest> requests);
  Result<std::vector<persistence::PlanStatus>> sub_plans(const Outcome& outcome) const;
  std::vector<Event> take_events(int step_id, Outcome& outcome, std::string_view name);
  void start_sub_plans(Outcome& outcome);
  void deliver_to_plan(const Delivery& delivery);
  void drop(int step_id, const Delivery& delivery);
  std::vector<std::pair<int, Delivery>> put_cancels(bool force);
  Status tell_parent();

  // execution_writes.cc: durability.
  void flush();
  void written(Status status);
  void retry_later(const Error& error);
  void fail_unstorable(const Error& error);
  void give_up(const Error& error);
  void when_written(std::function<void(Status)> done);
  void take_output();
  Status number_output();
  Result<ChunkCounter> last_stored_chunk(int action_id) const;

  template <class F>
  void change(F&& f) {
    const std::lock_guard lock(mutex_);
    f(plan_);
  }
  StepRecord& step(int id) { return plan_.steps[static_cast<std::size_t>(id - 1)]; }
  const StepRecord& step(int id) const { return plan_.steps[static_cast<std::size_t>(id - 1)]; }
  const persistence::ActionRecord& action_of(int step_id) const {
    return plan_.actions[static_cast<std::size_t>(step(step_id).action_id - 1)];
  }
  bool is_step(int id) const { return id >= 1 && static_cast<std::size_t>(id) <= plan_.steps.size(); }
  void set_step_state(int step_id, StepState state);
  Clock const& clock() const { return *surroundings_.options.clock; }

  Surroundings& surroundings_;
  const std::shared_ptr<const Term> term_;
  const std::shared_ptr<Strand> strand_;
  std::atomic<bool> is_halted_{false};   // nothing is run any more
  std::atomic<bool> is_dropped_{false};  // observers were told that the plan is not in work here any more

  mutable std::mutex mutex_;  // plan_ is written on the strand under it, and read elsewhere under it
  PlanRecord plan_;
  bool has_ended_ = false;    // under mutex_: paused or stopped, durable or not

  Json secrets_;
  std::string secrets_loss_;
  Part part_ = Part::kRun;
  std::optional<Cursor> cursor_;
  std::unordered_map<int, OpenStep> open_steps_;
  std::list<WorkItem> runnable_;  // a list: an empty deque holds half a KiB, and most plans wait
  std::unordered_map<int, WorkItem> queued_;     // by step: wait for a slot of their queue
  std::unordered_map<int, Queue::Slot> slots_;   // by step: where the queue is limited
  std::vector<int> unannounced_;      // steps that act outside and may run once that is durable
  std::vector<int> finalize_steps_;
  std::size_t next_finalize_ = 0;
  bool has_finalize_failed_ = false;
  SeenEvents seen_events_;
  std::set<int> steps_with_events_;   // for which events were stored when it was begun
  std::set<std::string> launching_;   // sub-plans whose rows are not durable yet
  bool owes_parent_ = false;          // has come to an end, which the parent may want to know
  std::set<int> rescued_;             // steps that a rescue strategy dealt with in this execution

  PendingWrites pending_;
  std::unique_ptr<PendingWrites> in_flight_;
  int failed_writes_ = 0;             // in a row
  bool waits_for_retry_ = false;
  bool is_unstorable_ = false;        // its rows were refused for good, and that is what is written instead
  bool is_given_up_ = false;

  const bool may_have_output_;        // chunks of an earlier world or execution may be stored
  std::unordered_map<int, ChunkCounter> chunk_counters_;
  std::mutex output_mutex_;
  std::vector<std::pair<int, std::vector<persistence::OutputChunk>>> incoming_output_;  // under output_mutex_
};

}  // namespace dynflow::engine
