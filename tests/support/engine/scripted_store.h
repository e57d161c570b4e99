// A store in memory that commits when the scheduler gets to it, one batch after another, and fails when it is told to. For tests of
// what stands on the store; what a store is, the suite of the persistence module says.
//
// Threads: one, that of the seeded scheduler.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/engine/world.h"
#include "shared/persistence/output_ends.h"
#include "shared/persistence/store.h"

namespace dynflow::engine {

class ScriptedStore final : public persistence::Store, public persistence::OutputEnds {
 public:
  using Batch = persistence::WriteBatch;

  // The scheduler of the world of the moment.
  void use(Scheduler& scheduler) { scheduler_ = &scheduler; }
  // The next `count` batches fail with `code`.
  void fail_next(int count, Code code = Code::kUnavailable) {
    failures_ = count;
    failure_code_ = code;
  }
  // As long as it is set, chunks cannot be read.
  void fail_chunk_reads(bool fails) { fails_chunk_reads_ = fails; }
  // How many were read so far.
  std::size_t chunks_read() const { return chunks_read_; }
  // As long as it is set, states of plans cannot be read.
  void fail_status_reads(bool fails) { fails_status_reads_ = fails; }
  // As if the process had died: what is not committed now never will be.
  void cut_off() {
    is_cut_off_ = true;
    while (!queue_.empty()) commit_next();
  }
  void reconnect() { is_cut_off_ = false; }
  void set_congested(bool is_congested) { is_congested_ = is_congested; }
  // The batches that were committed, oldest first.
  const std::vector<Batch>& committed() const { return committed_; }
  const std::map<std::string, persistence::EventRecord>& events() const { return events_; }
  const std::map<std::string, persistence::OutboxRecord>& outbox() const { return outbox_; }
  std::map<std::string, persistence::PlanRecord>& plans() { return plans_; }
  const std::map<std::string, persistence::DelayedRecord>& delayed() const { return delayed_; }
  const std::map<std::string, std::string>& secrets() const { return secrets_; }
  const std::map<std::string, std::string>& locks() const { return locks_; }
  // The other processes: their worlds, by id. A plan whose owner is neither here nor has joined is an orphan.
  std::map<std::string, persistence::WorldRecord>& other_worlds() { return other_worlds_; }
  void set_shared(bool is_shared) { is_shared_ = is_shared; }
  // Another world declares this one dead.
  void fence() { is_fenced_ = true; }
  // Another world stores an event.
  void put(const persistence::EventRecord& event) { events_.emplace(event.id, event); }
  // Another world has stored something that concerns this one.
  void wake() {
    if (wake_) wake_();
  }

  Status start() override { return {}; }
  void stop() override {}
  void submit(Batch batch, persistence::Durability, Completion completion) override;
  bool is_congested() const override { return is_congested_; }

  Result<persistence::PlanRecord> load_plan(std::string_view id) override;
  Result<persistence::ActionRecord> load_action(std::string_view id, int action_id) override;
  Result<std::vector<persistence::OutputChunk>> load_chunks(std::string_view plan_id, int action_id, std::int64_t after,
                                                            std::size_t limit) override;
  Result<persistence::OutputEnd> load_output_end(std::string_view plan_id, int action_id) override;
  Result<std::vector<persistence::PlanStatus>> load_statuses(const std::vector<std::string>& ids) override;
  Result<std::vector<persistence::PlanIdentity>> load_identities(const std::vector<std::string>&) override;
  Result<std::vector<persistence::PlanStatus>> load_sub_plans(std::string_view caller) override;
  // By id, whatever order is asked for.
  Result<std::vector<persistence::PlanRecord>> find_plans(const persistence::PlanFilter& filter,
                                                          const persistence::PlanOrder& order) override;
  Result<std::int64_t> count_plans(const persistence::PlanFilter& filter) override;
  Result<std::int64_t> count_plans(std::optional<persistence::PlanState> state) override;
  Result<std::vector<std::string>> load_unfinished() override;
  Result<std::vector<persistence::EventRecord>> load_events() override;
  Result<std::vector<persistence::EventRecord>> load_events_of(std::string_view plan_id) override;
  Result<std::vector<persistence::OutboxRecord>> load_due_outbox(Time, std::size_t, const std::vector<std::int64_t>&) override {
    return std::vector<persistence::OutboxRecord>();
  }
  Result<std::optional<Time>> next_outbox_time() override { return std::optional<Time>(); }

  bool is_shared() const override { return is_shared_; }
  Status join(const persistence::WorldRecord& world, Duration) override;
  Status renew() override;
  Status leave() override;
  Result<std::vector<std::string>> declare_dead() override;
  Result<std::vector<persistence::WorldRecord>> load_worlds() override;
  Result<std::vector<std::string>> claim_orphans(std::size_t limit) override;
  Status claim(std::string_view plan_id) override;
  void set_wake(std::function<void()> wake) override { wake_ = std::move(wake); }

  Result<std::vector<persistence::DelayedRecord>> load_ready_delayed(Time now, std::size_t limit) override;
  Result<persistence::DelayedRecord> load_delayed(std::string_view plan_id) override;
  Result<std::optional<Time>> next_delayed_time(Time now) override;
  Result<std::vector<persistence::Prerequisite>> load_prerequisites(std::string_view plan_id) override;
  Result<std::vector<std::string>> load_dependents(std::string_view plan_id) override;

  Status acquire_lock(const persistence::LockRecord& lock) override;
  Result<std::string> load_secrets(std::string_view plan_id) override;
  Result<std::vector<persistence::LockRecord>> load_locks() override;
  Result<std::size_t> sweep() override;
  Result<std::size_t> clean(Time, std::size_t, persistence::PlanArchive*) override { return std::size_t{0}; }

 private:
  void commit_next();

  // Of the root action: the plan and the action that called it.
  static std::pair<std::string, int> caller_of(const persistence::PlanRecord& plan);
  static bool is_at_rest(const persistence::PlanRecord& plan);
  bool matches(const persistence::PlanFilter& filter, const persistence::PlanRecord& plan) const;

  std::int64_t last_sequence(const Batch::AppendChunks& append) const;

  void apply(const Batch::InsertPlan& c) { plans_[c.plan.id] = c.plan; }
  void apply(const Batch::UpdatePlan& c);
  void apply(const Batch::ReplacePlan& c) { plans_.at(c.plan.id) = c.plan; }
  void apply(const Batch::UpdateStep& c) { plans_.at(c.plan_id).steps.at(static_cast<std::size_t>(c.step.id - 1)) = c.step; }
  void apply(const Batch::UpdateAction& c);
  void apply(const Batch::AppendChunks& c);
  void apply(const Batch::DropChunks& c);
  void apply(const Batch::PutEvent& c) { events_.emplace(c.event.id, c.event); }
  void apply(const Batch::DeleteEvent& c) { events_.erase(c.event_id); }
  void apply(const Batch::WakeOwner&) {}
  void apply(const Batch::PutOutbox& c);
  void apply(const Batch::DeleteOutbox& c);
  void apply(const Batch::PutDelayed& c) { delayed_[c.delayed.plan_id] = c.delayed; }
  void apply(const Batch::DeleteDelayed& c) { delayed_.erase(c.plan_id); }
  void apply(const Batch::PutSecrets& c) { secrets_[c.plan_id] = c.sealed; }
  void apply(const Batch::DeleteSecrets& c) { secrets_.erase(c.plan_id); }
  void apply(const Batch::ReleaseLocks& c);

  Scheduler* scheduler_ = nullptr;
  std::deque<std::pair<Batch, Completion>> queue_;
  std::vector<Batch> committed_;
  int failures_ = 0;
  Code failure_code_ = Code::kUnavailable;
  bool is_cut_off_ = false;
  bool fails_chunk_reads_ = false;
  bool fails_status_reads_ = false;
  std::size_t chunks_read_ = 0;
  bool is_congested_ = false;
  std::map<std::string, persistence::PlanRecord> plans_;
  std::map<std::pair<std::string, int>, std::vector<persistence::OutputChunk>> chunks_;
  std::map<std::pair<std::string, int>, persistence::OutputEnd> output_ends_;  // of those that were dropped
  std::map<std::string, persistence::EventRecord> events_;
  std::map<std::string, persistence::OutboxRecord> outbox_;
  std::int64_t last_version_ = 0;
  std::map<std::string, persistence::DelayedRecord> delayed_;
  std::map<std::string, std::string> secrets_;
  std::map<std::string, std::string> locks_;  // plan ids by name
  std::optional<persistence::WorldRecord> world_;
  std::map<std::string, persistence::WorldRecord> other_worlds_;
  bool is_shared_ = false;
  bool is_fenced_ = false;
  std::function<void()> wake_;
};

}  // namespace dynflow::engine
