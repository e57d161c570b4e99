// A store in memory that commits when the scheduler gets to it, one batch after another, and fails when it is told to. For tests of
// what stands on the store; what a store is, the suite of the persistence module says.
//
// Threads: one, that of the seeded scheduler.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "shared/engine/world.h"
#include "shared/persistence/store.h"

namespace dynflow::engine {

class ScriptedStore final : public persistence::Store {
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

  Status start() override { return {}; }
  void stop() override {}
  void submit(Batch batch, persistence::Durability, Completion completion) override {
    queue_.emplace_back(std::move(batch), std::move(completion));
    if (is_cut_off_) return commit_next();
    scheduler_->post([this] { commit_next(); });
  }
  bool is_congested() const override { return is_congested_; }

  Result<persistence::PlanRecord> load_plan(std::string_view id) override {
    const auto found = plans_.find(std::string(id));
    if (found == plans_.end()) return Error(Code::kNotFound, "no such plan");
    return found->second;
  }
  Result<std::vector<persistence::OutputChunk>> load_chunks(std::string_view plan_id, int action_id, std::int64_t after,
                                                            std::size_t limit) override {
    if (fails_chunk_reads_) return Error(Code::kUnavailable, "told to fail");
    std::vector<persistence::OutputChunk> found;
    for (const auto& chunk : chunks_[{std::string(plan_id), action_id}]) {
      if (chunk.sequence > after && (limit == 0 || found.size() < limit)) found.push_back(chunk);
    }
    return found;
  }
  Result<std::vector<persistence::PlanStatus>> load_statuses(const std::vector<std::string>& ids) override {
    std::vector<persistence::PlanStatus> found;
    for (const std::string& id : ids) {
      if (const auto plan = plans_.find(id); plan != plans_.end()) {
        found.push_back({id, plan->second.state, plan->second.result});
      }
    }
    return found;
  }
  Result<std::vector<persistence::PlanIdentity>> load_identities(const std::vector<std::string>&) override {
    return std::vector<persistence::PlanIdentity>();
  }
  Result<std::vector<persistence::PlanStatus>> load_sub_plans(std::string_view) override {
    return std::vector<persistence::PlanStatus>();
  }
  Result<std::int64_t> count_plans(std::optional<persistence::PlanState> state) override {
    std::int64_t count = 0;
    for (const auto& [id, plan] : plans_) count += !state || plan.state == *state ? 1 : 0;
    return count;
  }
  Result<std::vector<std::string>> load_unfinished() override {
    std::vector<std::string> ids;
    for (const auto& [id, plan] : plans_) {
      if (plan.state != persistence::PlanState::kStopped) ids.push_back(id);
    }
    return ids;
  }
  Result<std::vector<persistence::EventRecord>> load_events() override {
    std::vector<persistence::EventRecord> list;
    for (const auto& [id, event] : events_) list.push_back(event);
    return list;
  }
  Result<std::vector<persistence::OutboxRecord>> load_due_outbox(Time, std::size_t) override {
    return std::vector<persistence::OutboxRecord>();
  }
  Result<std::optional<Time>> next_outbox_time() override { return std::optional<Time>(); }
  Result<std::size_t> clean(Time, std::size_t) override { return std::size_t{0}; }

 private:
  void commit_next() {
    if (queue_.empty()) return;  // cut_off() was faster
    auto [batch, completion] = std::move(queue_.front());
    queue_.pop_front();
    if (is_cut_off_) return completion(Error(Code::kClosed, "cut off"));
    if (failures_ > 0) {
      --failures_;
      return completion(Error(failure_code_, "told to fail"));
    }
    for (const auto& change : batch.changes()) {
      const auto* insert = std::get_if<Batch::InsertPlan>(&change);
      if (insert && plans_.count(insert->plan.id) > 0) return completion(Error(Code::kConflict, "exists"));
      const auto* append = std::get_if<Batch::AppendChunks>(&change);
      if (append && last_sequence(*append) >= append->chunks.front().sequence) return completion(Error(Code::kConflict, "exists"));
    }
    for (const auto& change : batch.changes()) {
      std::visit([this](const auto& one) { apply(one); }, change);
    }
    committed_.push_back(std::move(batch));
    completion({});
  }

  std::int64_t last_sequence(const Batch::AppendChunks& append) const {
    const auto found = chunks_.find({append.plan_id, append.action_id});
    return found == chunks_.end() || found->second.empty() ? 0 : found->second.back().sequence;
  }

  void apply(const Batch::InsertPlan& c) { plans_[c.plan.id] = c.plan; }
  void apply(const Batch::UpdatePlan& c) {
    auto& plan = plans_.at(c.plan_id);
    plan.state = c.progress.state;
    plan.result = c.progress.result;
    plan.started_at = c.progress.started_at;
    plan.ended_at = c.progress.ended_at;
    plan.execution_time = c.progress.execution_time;
    plan.real_time = c.progress.real_time;
    plan.history = c.progress.history;
  }
  void apply(const Batch::UpdateStep& c) { plans_.at(c.plan_id).steps.at(static_cast<std::size_t>(c.step.id - 1)) = c.step; }
  void apply(const Batch::UpdateAction& c) {
    auto& action = plans_.at(c.plan_id).actions.at(static_cast<std::size_t>(c.action_id - 1));
    action.input = c.input;
    action.output = c.output;
  }
  void apply(const Batch::AppendChunks& c) {
    auto& list = chunks_[{c.plan_id, c.action_id}];
    list.insert(list.end(), c.chunks.begin(), c.chunks.end());
  }
  void apply(const Batch::PutEvent& c) { events_[c.event.id] = c.event; }
  void apply(const Batch::DeleteEvent& c) { events_.erase(c.event_id); }
  void apply(const Batch::PutOutbox& c) { outbox_[c.entry.id] = c.entry; }
  void apply(const Batch::DeleteOutbox& c) { outbox_.erase(c.entry_id); }

  Scheduler* scheduler_ = nullptr;
  std::deque<std::pair<Batch, Completion>> queue_;
  std::vector<Batch> committed_;
  int failures_ = 0;
  Code failure_code_ = Code::kUnavailable;
  bool is_cut_off_ = false;
  bool fails_chunk_reads_ = false;
  bool is_congested_ = false;
  std::map<std::string, persistence::PlanRecord> plans_;
  std::map<std::pair<std::string, int>, std::vector<persistence::OutputChunk>> chunks_;
  std::map<std::string, persistence::EventRecord> events_;
  std::map<std::string, persistence::OutboxRecord> outbox_;
};

}  // namespace dynflow::engine
