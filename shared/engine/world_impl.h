// Inside of World: which plans it has taken on, and where they are.
//
// Threads: as World.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shared/engine/awaited.h"
#include "shared/engine/coordinator.h"
#include "shared/engine/delayed_executor.h"
#include "shared/engine/launch.h"

namespace dynflow::engine {

class World::Impl {
 public:
  Impl(World& world, WorldOptions options);
  ~Impl();

  const WorldOptions& options() const { return surroundings_.options; }
  std::shared_ptr<const Term> term() const { return membership_.term(); }
  persistence::Store& store() const { return *options().store; }
  Scheduler& scheduler() const { return *options().scheduler; }
  bool is_closing() const { return surroundings_.is_closing; }
  Surroundings& surroundings() { return surroundings_; }
  void run_hooks(const PlanRecord& plan, std::vector<PlanState> states);

  Status start();
  void before_termination(std::string name, std::function<Status(Deadline)> hook, Duration limit);
  void stop(Deadline deadline);
  void leave();
  bool wait_until_idle(Deadline deadline) { return activity_->wait_until_quiet(scheduler(), deadline); }

  // world_launch.cc: new plans.
  Result<std::vector<Planned>> trigger(std::vector<PlanRequest> requests);

  // world_plans.cc: what people want of plans, wherever they are.
  Result<int> cancel(std::string_view plan_id, bool force);
  Status send_durable(std::string_view plan_id, int step_id, Event event);
  Status halt(std::string_view plan_id);
  Status resume(std::string_view plan_id);
  Status skip(std::string_view plan_id, int step_id);
  Result<Planned> delay(PlanRequest request, DelayOptions options);
  Status set_frozen(std::string_view plan_id, bool is_frozen, std::optional<Time> start_at);

  // Null: not in memory, or about to be.
  std::shared_ptr<Execution> find(std::string_view plan_id) const;
  // The same once it is there, where somebody is taking the plan up just now. Blocks.
  std::shared_ptr<Execution> find_taken_up(std::string_view plan_id) const;
  std::size_t active_plans() const;
  std::size_t resident_plans() const;

  // Runs `begin(done)`, which calls done(result) once, and waits for the result.
  template <class T, class Begin>
  T await(Begin&& begin, Duration patience = kPatience) const {
    const auto awaited = std::make_shared<Awaited<T>>();
    begin([awaited](T result) { awaited->set(std::move(result)); });
    return awaited->wait(scheduler(), Deadline::after(patience));
  }

 private:
  // How long a caller waits for the plan's strand and for the store.
  static constexpr std::chrono::seconds kPatience{60};

  using Done = std::function<void(Status)>;
  // A plan that this world has taken on.
  struct Place {
    std::shared_ptr<Execution> execution;  // null: its id is taken, or it waits
    int level = 0;                         // of sub-plans: 0 has no parent here
    bool is_waiting = false;               // for a place in memory
    bool has_waited = false;               // and was taken out of the line by an order
    Json secrets;                          // of one that waits or has waited
  };
  enum class Reservation {
    kNew,        // waits until other launches of these ids have become durable or failed: who is told of a conflict finds the
                 // other plan stored
    kNewAtOnce,  // does not wait
    kKnown,      // of a plan that is stored: outside the limit
  };

  // What the options ask for; what is wrong with them is what start() answers.
  void configure();

  // world_launch.cc
  // Takes the ids, so that nothing else here works on these plans. Errors: kBusy, kConflict.
  Status reserve(const std::vector<std::string>& ids, Reservation kind);
  // Its id is taken, and there is neither an execution yet nor a place in the line. Under mutex_.
  bool is_on_its_way(const std::string& id) const;
  // The same for one plan that is stored, and takes it out of the line when it waits for its start.
  Status reserve_stored(const std::string& id);
  void release(const std::vector<std::string>& ids);
  // What reserve_stored() took, of a plan that is as it was: one that waited for its start waits on.
  void give_back(const std::string& id);
  // Of plans that are not to be. Nobody waits for it: locks of plans that are not there are swept up in any case.
  void release_locks(const std::vector<std::string>& ids);
  // `begin` gives the execution its first task, before anybody can find it: a cancel must not come first. False, and without effect, when
  // the term is over.
  bool activate(const std::shared_ptr<const Term>& term, PlanRecord plan, Json secrets,
                const std::function<void(Execution&)>& begin);
  Result<Launch> prepare(std::vector<PlanRequest> requests, Reservation kind);
  bool is_congested() const;
  // kBusy when a queue of its steps has too many waiting.
  Status check_queues(const PlanRecord& plan) const;
  bool is_left_to_others(const PlanRequest& request, std::size_t active) const;
  void launched(Launch& launch, const Status& status);
  void admit(const std::shared_ptr<const Term>& term, PlanRecord plan, Json secrets);
  int level_of(const PlanRecord& plan) const;
  void take_up_waiting();
  // True: it waited for a place, and does no more; its id is taken.
  bool leave_line(const std::string& id);
  // One that has left the line. An error: it waits again.
  Status start_waiting(const std::string& id);
  void ended(const Execution& execution, const PlanRecord& plan, Json secrets);
  Result<int> listener_of(const std::string& plan_id, int action_id);
  void wait_until_gone(const std::string& plan_id, const Execution& execution) const;
  // The store shows that a plan has paused or stopped before its execution is gone.
  void wait_until_at_rest(const std::string& plan_id) const;

  // world_secrets.cc
  struct KeptSecrets {
    Json secrets;      // null: none
    std::string loss;  // why those that are stored cannot be read; empty: they can, or there are none
  };
  // The row for those of a new plan.
  Status add_secrets(const PlanRequest& request, persistence::WriteBatch& rows) const;
  // Those of a plan that was another process's. Errors: the store's.
  Result<KeptSecrets> stored_secrets(const std::string& plan_id) const;
  Json take_paused_secrets(const std::string& plan_id);
  // Of a plan that has ended without an execution.
  void forget_secrets(const std::string& plan_id);

  // world_takeover.cc: plans that were others'.
  std::size_t room(bool is_overdue) const;
  void take_over(const std::vector<std::string>& plan_ids);
  Status take_over_one(const std::string& plan_id);
  void hand_over_events(std::vector<persistence::EventRecord> events);
  void plan_event_came(const persistence::EventRecord& event, bool has_followers);
  void cancel_came(const persistence::EventRecord& event, PlanState state);
  void look_again_soon();
  void delete_events(const std::vector<std::string>& ids, Done done = {});
  void drop_all();
  bool are_dropped() const;

  // world_plans.cc. What the callers cannot wait for: they are on a strand.
  void begin_resume(const std::string& plan_id, Done done);
  void begin_skip(const std::string& plan_id, int step_id, Done done);
  Status halt_in_work(const std::string& plan_id, Execution& execution);
  void begin_halt(const std::string& plan_id, Done done);
  // Of the store, to be worked on. kCorrupt also: its rows do not fit together.
  Result<PlanRecord> load_whole(const std::string& plan_id) const;
  Result<PlanRecord> load_paused(const std::string& plan_id) const;
  // Writes a plan that no execution has in hand, and releases it. `rows` go with it.
  void store_changed(const PlanRecord& plan, persistence::WriteBatch rows, Done done);
  // The rows that go with the end of a plan that has no execution.
  Status add_end_rows(const PlanRecord& plan, persistence::WriteBatch& rows);
  // An event for a plan that another world works on; `done` hears when it is durable.
  void put_for_owner(persistence::EventRecord event, Done done);
  persistence::EventRecord event_for(std::string_view plan_id, int step_id, std::string_view name, std::string data) const;
  Status exists(std::string_view plan_id) const;
  // Store::claim(); when it says that this world is dead, that is seen to.
  Status claim(const std::string& plan_id);

  // world_delayed.cc: plans for later.
  // True: it is being planned or ended now; delayed_executor_ hears when that is over.
  bool begin_delayed(const persistence::DelayedRecord& delayed);
  void plan_now(PlanRecord plan, const persistence::DelayedRecord& delayed);
  void begin_cancel_delayed(const std::string& plan_id, std::function<void(Result<int>)> done);

  struct TerminationHook {
    std::string name;
    std::function<Status(Deadline)> run;
    Duration limit;
  };

  const std::shared_ptr<Activity> activity_;
  Membership membership_;
  Surroundings surroundings_;
  Status configured_;
  const std::shared_ptr<Strand> launches_;
  std::shared_ptr<Coordinator> coordinator_;
  std::shared_ptr<DelayedExecutor> delayed_executor_;
  std::vector<TerminationHook> hooks_;
  std::atomic<bool> has_left_{false};

  mutable std::mutex mutex_;
  mutable std::condition_variable ids_changed_;  // an id was released, or its execution is there
  std::unordered_map<std::string, Place> active_;
  std::vector<std::size_t> resident_;                   // executions of each level
  std::vector<std::deque<std::string>> waiting_;        // of each level; ids that were taken out of the line since are passed over
  bool is_taking_up_ = false;
  std::vector<std::weak_ptr<Execution>> dropped_;
  std::unordered_map<std::string, Json> paused_secrets_;
  std::unordered_map<std::string, Json> delayed_secrets_;
  std::unordered_map<std::string, int> listeners_;  // "plan/action": its run step, 0 when it does not listen; of plans in the store
};

}  // namespace dynflow::engine
