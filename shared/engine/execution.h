// One execution plan in work: decides what runs next, runs it, and writes what came of it. (In Dynflow: the director's
// manager of a plan.)
//
// Threads: public methods may be called from any thread; everything else happens on the plan's strand.
//
// Durability: all that changed since the last write goes into one batch; one batch of a plan is on its way at a time. A run step
// that acts outside begins only when it is durable that it runs. A write that fails is made again, later and for ever
// less often, until it succeeds or the store says that it never will.
//
// Source: Dynflow 2.0.0, lib/dynflow/director.rb, director/*.rb, action.rb:524-620.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>

#include "shared/engine/cursor.h"
#include "shared/engine/hooks.h"
#include "shared/engine/middleware.h"
#include "shared/engine/pending_writes.h"
#include "shared/engine/queues.h"
#include "shared/engine/states.h"
#include "shared/engine/strand.h"

namespace dynflow::engine {

// What the executions of a world share; it outlives their last task.
struct Surroundings {
  World* world = nullptr;
  WorldOptions options;
  std::string world_id;
  std::shared_ptr<Activity> activity;
  MiddlewareStacks middleware;
  Queues queues;
  std::unique_ptr<HookRunner> hooks;     // set before the first execution
  std::atomic<std::uint64_t> dead_letters{0};  // events that no step took
  std::atomic<bool> is_closing{false};  // true from stop(): nothing new that acts outside is begun
  // An execution came to its end, and that is durable; or its plan is beyond rescue.
  std::function<void(const PlanRecord& plan, Json secrets)> on_end;
};

class Execution : public std::enable_shared_from_this<Execution> {
 public:
  // Held by shared_ptr: the world while it is in work, and tasks and writes under way.
  Execution(Surroundings& surroundings, PlanRecord plan, Json secrets);

  // Starts a planned plan, or continues a paused one; then `events` are delivered. `done` (may be empty) hears when it is durable.
  void start(std::vector<persistence::EventRecord> events = {}, std::function<void(Status)> done = {});
  // Takes up a plan that an earlier world left; see World::start().
  void recover(std::vector<persistence::EventRecord> events);

  void send(int step_id, Event event);
  void send_durable(int step_id, Event event, std::function<void(Status)> done);
  void cancel(bool force, std::function<void(Result<int>)> done);
  void append_output(int action_id, std::vector<persistence::OutputChunk> chunks);
  void flush_output(std::function<void(Status)> done);

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
    std::deque<Delivery> waiting;        // events that came meanwhile
    StepState before = StepState::kPending;  // what it goes back to when the world stops before it began
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
    std::vector<std::pair<Event, Duration>> planned_events;
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
  void fail_suspended();

  // execution_steps.cc: one step.
  void execute(WorkItem item);
  void execute_run(WorkItem item);
  void execute_finalize(int step_id);
  void execute_finalize_phase(int first_step_id);
  const MiddlewareStack* finalize_phase_stack() const;
  void drop(const Delivery& delivery);
  void check_storable(Outcome& outcome, const std::string& action_class) const;
  Outcome run_action(int step_id, const Event* event);
  void store_outcome(int step_id, StepState state, Outcome& outcome, Time began, Duration took);
  void run_step_ended(int step_id);
  void deliver(int step_id, Delivery delivery);
  const ActionClass* class_of_step(int step_id) const;
  bool accepts_events(int step_id) const;
  Json output_for(const OutputReference& reference) const;

  // execution_writes.cc: durability.
  void flush();
  void written(Status status);
  void retry_later(const Error& error);
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
  const std::shared_ptr<Strand> strand_;

  mutable std::mutex mutex_;  // plan_ is written on the strand under it, and read elsewhere under it
  PlanRecord plan_;
  bool has_ended_ = false;    // under mutex_: paused or stopped, durable or not

  Json secrets_;
  Part part_ = Part::kRun;
  std::optional<Cursor> cursor_;
  std::unordered_map<int, OpenStep> open_steps_;
  std::deque<WorkItem> runnable_;
  std::unordered_map<int, WorkItem> queued_;     // by step: wait for a slot of their queue
  std::unordered_map<int, Queue::Slot> slots_;   // by step: where the queue is limited
  std::vector<int> unannounced_;      // steps that act outside and may run once that is durable
  std::vector<int> finalize_steps_;
  std::size_t next_finalize_ = 0;
  bool has_finalize_failed_ = false;
  std::set<int> rescued_;             // steps that a rescue strategy dealt with in this execution

  PendingWrites pending_;
  std::optional<PendingWrites> in_flight_;
  int failed_writes_ = 0;             // in a row
  bool waits_for_retry_ = false;
  bool is_given_up_ = false;

  const bool may_have_output_;        // chunks of an earlier world or execution may be stored
  std::unordered_map<int, ChunkCounter> chunk_counters_;
  std::mutex output_mutex_;
  std::vector<std::pair<int, std::vector<persistence::OutputChunk>>> incoming_output_;  // under output_mutex_
};

}  // namespace dynflow::engine
