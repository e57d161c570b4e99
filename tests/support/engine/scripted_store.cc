#include "tests/support/engine/scripted_store.h"

#include <algorithm>

namespace dynflow::engine {

using namespace persistence;

void ScriptedStore::submit(Batch batch, Durability, Completion completion) {
  queue_.emplace_back(std::move(batch), std::move(completion));
  if (is_cut_off_) return commit_next();
  scheduler_->post([this] { commit_next(); });
}

Result<PlanRecord> ScriptedStore::load_plan(std::string_view id) {
  const auto found = plans_.find(std::string(id));
  if (found == plans_.end()) return Error(Code::kNotFound, "no such plan");
  return found->second;
}

Result<ActionRecord> ScriptedStore::load_action(std::string_view id, int action_id) {
  const auto found = plans_.find(std::string(id));
  if (found != plans_.end()) {
    for (const ActionRecord& action : found->second.actions) {
      if (action.id == action_id) return action;
    }
  }
  return Error(Code::kNotFound, "no such action");
}

Result<std::vector<OutputChunk>> ScriptedStore::load_chunks(std::string_view plan_id, int action_id, std::int64_t after,
                                                            std::size_t limit) {
  if (fails_chunk_reads_) return Error(Code::kUnavailable, "told to fail");
  std::vector<OutputChunk> found;
  for (const auto& chunk : chunks_[{std::string(plan_id), action_id}]) {
    if (chunk.sequence > after && (limit == 0 || found.size() < limit)) found.push_back(chunk);
  }
  chunks_read_ += found.size();
  return found;
}

Result<persistence::OutputEnd> ScriptedStore::load_output_end(std::string_view plan_id, int action_id) {
  if (fails_chunk_reads_) return Error(Code::kUnavailable, "told to fail");
  const std::pair<std::string, int> key(plan_id, action_id);
  const auto& chunks = chunks_[key];
  if (chunks.empty()) return output_ends_[key];
  return persistence::OutputEnd{chunks.back().sequence, chunks.back().timestamp};
}

Result<std::vector<PlanStatus>> ScriptedStore::load_statuses(const std::vector<std::string>& ids) {
  if (fails_status_reads_) return Error(Code::kUnavailable, "told to fail");
  std::vector<PlanStatus> found;
  for (const std::string& id : ids) {
    if (const auto plan = plans_.find(id); plan != plans_.end()) {
      found.push_back({id, plan->second.state, plan->second.result});
    }
  }
  return found;
}

Result<std::vector<PlanIdentity>> ScriptedStore::load_identities(const std::vector<std::string>&) {
  return std::vector<PlanIdentity>();
}

Result<std::vector<PlanStatus>> ScriptedStore::load_sub_plans(std::string_view caller) {
  std::vector<PlanStatus> found;
  for (const auto& [id, plan] : plans_) {
    if (caller_of(plan).first == caller && !caller.empty()) found.push_back({id, plan.state, plan.result});
  }
  return found;
}

Result<std::vector<PlanRecord>> ScriptedStore::find_plans(const PlanFilter& filter, const PlanOrder& order) {
  std::vector<PlanRecord> found;
  for (const auto& [id, plan] : plans_) {
    if (matches(filter, plan)) found.push_back(plan);
  }
  found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(std::min(order.offset, found.size())));
  if (order.limit > 0 && found.size() > order.limit) found.resize(order.limit);
  return found;
}

Result<std::int64_t> ScriptedStore::count_plans(const PlanFilter& filter) {
  return std::count_if(plans_.begin(), plans_.end(), [&](const auto& one) { return matches(filter, one.second); });
}

Result<std::int64_t> ScriptedStore::count_plans(std::optional<PlanState> state) {
  std::int64_t count = 0;
  for (const auto& [id, plan] : plans_) count += !state || plan.state == *state ? 1 : 0;
  return count;
}

Result<std::vector<std::string>> ScriptedStore::load_unfinished() {
  std::vector<std::string> ids;
  for (const auto& [id, plan] : plans_) {
    if (plan.state != PlanState::kStopped) ids.push_back(id);
  }
  return ids;
}

Result<std::vector<EventRecord>> ScriptedStore::load_events() {
  std::vector<EventRecord> list;
  for (const auto& [id, event] : events_) {
    const auto plan = plans_.find(event.plan_id);
    if (!world_ || (plan != plans_.end() && plan->second.owner == world_->id)) list.push_back(event);
  }
  return list;
}

Result<std::vector<EventRecord>> ScriptedStore::load_events_of(std::string_view plan_id) {
  std::vector<EventRecord> list;
  for (const auto& [id, event] : events_) {
    if (event.plan_id == plan_id) list.push_back(event);
  }
  return list;
}

Status ScriptedStore::join(const WorldRecord& world, Duration) {
  if (Status left = leave(); !left.ok()) return left;
  if (is_cut_off_) return Error(Code::kUnavailable, "cut off");
  is_fenced_ = false;
  world_ = world;
  world_->is_alive = true;
  return {};
}

Status ScriptedStore::renew() {
  if (is_cut_off_) return Error(Code::kUnavailable, "cut off");
  return world_ && !is_fenced_ ? Status() : Error(Code::kClosed, "declared dead, or never joined");
}

Status ScriptedStore::leave() {
  if (is_cut_off_ || !world_) return {};
  for (auto& [id, plan] : plans_) {
    if (plan.owner == world_->id) plan.owner.clear();
  }
  world_.reset();
  return {};
}

Result<std::vector<std::string>> ScriptedStore::declare_dead() {
  std::vector<std::string> ids;
  for (const auto& [id, world] : other_worlds_) {
    if (!world.is_alive) ids.push_back(id);
  }
  for (const std::string& id : ids) other_worlds_.erase(id);
  return ids;
}

Result<std::vector<WorldRecord>> ScriptedStore::load_worlds() {
  std::vector<WorldRecord> worlds;
  if (world_ && !is_fenced_) worlds.push_back(*world_);
  for (const auto& [id, world] : other_worlds_) worlds.push_back(world);
  return worlds;
}

Result<std::vector<std::string>> ScriptedStore::claim_orphans(std::size_t limit) {
  if (Status alive = renew(); !alive.ok()) return alive.error();
  std::vector<std::string> ids;
  for (auto& [id, plan] : plans_) {
    const bool is_in_work = plan.state != PlanState::kStopped &&
                            plan.state != PlanState::kPaused &&
                            plan.state != PlanState::kScheduled;
    if (!is_in_work || plan.owner == world_->id || other_worlds_.count(plan.owner) > 0 || ids.size() == limit) continue;
    plan.owner = world_->id;
    ids.push_back(id);
  }
  return ids;
}

Status ScriptedStore::claim(std::string_view plan_id) {
  if (Status alive = renew(); !alive.ok()) return alive;
  const auto plan = plans_.find(std::string(plan_id));
  if (plan == plans_.end() || plan->second.state == PlanState::kStopped) {
    return Error(Code::kNotFound, "no such plan, or it is stopped");
  }
  if (other_worlds_.count(plan->second.owner) > 0) return Error(Code::kConflict, "another world owns it");
  plan->second.owner = world_->id;
  return {};
}

Result<std::vector<DelayedRecord>> ScriptedStore::load_ready_delayed(Time now, std::size_t limit) {
  std::vector<DelayedRecord> ready;
  for (const auto& [id, delayed] : delayed_) {
    const bool is_due = !delayed.start_at || *delayed.start_at <= now ||
                        (delayed.start_before && *delayed.start_before <= now);
    const auto blocks = [this](const std::string& blocking) {
      const auto plan = plans_.find(blocking);
      return plan != plans_.end() && plan->second.state != PlanState::kStopped;
    };
    if (delayed.is_frozen || !is_due) continue;
    if (std::none_of(delayed.blocked_by.begin(), delayed.blocked_by.end(), blocks)) ready.push_back(delayed);
  }
  std::stable_sort(ready.begin(), ready.end(), [](const auto& a, const auto& b) { return a.start_at < b.start_at; });
  if (ready.size() > limit) ready.resize(limit);
  return ready;
}

Result<DelayedRecord> ScriptedStore::load_delayed(std::string_view plan_id) {
  const auto found = delayed_.find(std::string(plan_id));
  if (found == delayed_.end()) return Error(Code::kNotFound, "not delayed");
  return found->second;
}

Result<std::optional<Time>> ScriptedStore::next_delayed_time(Time now) {
  std::optional<Time> next;
  for (const auto& [id, delayed] : delayed_) {
    for (const auto& time : {delayed.start_at, delayed.start_before}) {
      if (!delayed.is_frozen && time && *time > now && (!next || *time < *next)) next = time;
    }
  }
  return next;
}

Result<std::vector<Prerequisite>> ScriptedStore::load_prerequisites(std::string_view plan_id) {
  std::vector<Prerequisite> found;
  const auto delayed = delayed_.find(std::string(plan_id));
  if (delayed == delayed_.end()) return found;
  for (const std::string& id : delayed->second.blocked_by) {
    if (const auto plan = plans_.find(id); plan != plans_.end()) {
      found.push_back({id, plan->second.state, plan->second.result});
    }
  }
  return found;
}

Result<std::vector<std::string>> ScriptedStore::load_dependents(std::string_view plan_id) {
  std::vector<std::string> ids;
  for (const auto& [id, delayed] : delayed_) {
    if (std::count(delayed.blocked_by.begin(), delayed.blocked_by.end(), plan_id) > 0) ids.push_back(id);
  }
  return ids;
}

Status ScriptedStore::acquire_lock(const LockRecord& lock) {
  if (is_cut_off_) return Error(Code::kUnavailable, "cut off");
  if (const auto held = locks_.find(lock.name); held != locks_.end() && held->second != lock.plan_id) {
    const auto holder = plans_.find(held->second);
    if (holder == plans_.end() || !is_at_rest(holder->second)) return Error(Code::kConflict, "held by " + held->second);
  }
  locks_[lock.name] = lock.plan_id;
  return {};
}

Result<std::string> ScriptedStore::load_secrets(std::string_view plan_id) {
  const auto found = secrets_.find(std::string(plan_id));
  if (found == secrets_.end()) return Error(Code::kNotFound, "no secrets");
  return found->second;
}

Result<std::vector<LockRecord>> ScriptedStore::load_locks() {
  std::vector<LockRecord> list;
  for (const auto& [name, plan_id] : locks_) list.push_back({name, plan_id});
  return list;
}

Result<std::size_t> ScriptedStore::sweep() {
  const auto is_stopped = [this](const auto& one) {
    const auto plan = plans_.find(one.second.plan_id);
    return plan == plans_.end() || plan->second.state == PlanState::kStopped;
  };
  const auto is_free = [this](const auto& one) {
    const auto plan = plans_.find(one.second);
    return plan != plans_.end() && is_at_rest(plan->second);
  };
  return std::erase_if(events_, is_stopped) + std::erase_if(locks_, is_free);
}

void ScriptedStore::commit_next() {
  if (queue_.empty()) return;  // cut_off() was faster
  auto [batch, completion] = std::move(queue_.front());
  queue_.pop_front();
  if (is_cut_off_) return completion(Error(Code::kClosed, "cut off"));
  if (is_fenced_) return completion(Error(Code::kClosed, "declared dead"));
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

std::pair<std::string, int> ScriptedStore::caller_of(const PlanRecord& plan) {
  for (const auto& action : plan.actions) {
    if (!action.caller_plan_id.empty()) return {action.caller_plan_id, action.caller_action_id};
  }
  return {};
}

bool ScriptedStore::is_at_rest(const PlanRecord& plan) {
  return plan.state == PlanState::kStopped || plan.state == PlanState::kPaused;
}

bool ScriptedStore::matches(const PlanFilter& filter, const PlanRecord& plan) const {
  const auto allows = [](const auto& list, const auto& value) {
    return !list || std::find(list->begin(), list->end(), value) != list->end();
  };
  const auto caller = caller_of(plan);
  return allows(filter.states, plan.state) && allows(filter.results, plan.result) &&
         allows(filter.labels, plan.label) && allows(filter.ids, plan.id) &&
         (!filter.caller_plan_id || (!caller.first.empty() && caller.first == *filter.caller_plan_id)) &&
         (!filter.caller_action_id || (!caller.first.empty() && caller.second == *filter.caller_action_id)) &&
         (!filter.is_delayed || *filter.is_delayed == (delayed_.count(plan.id) > 0)) &&
         (!filter.ended_after || (plan.ended_at && *plan.ended_at >= *filter.ended_after));
}

std::int64_t ScriptedStore::last_sequence(const Batch::AppendChunks& append) const {
  const auto found = chunks_.find({append.plan_id, append.action_id});
  return found == chunks_.end() || found->second.empty() ? 0 : found->second.back().sequence;
}

void ScriptedStore::apply(const Batch::UpdatePlan& c) {
  auto& plan = plans_.at(c.plan_id);
  plan.state = c.progress.state;
  plan.result = c.progress.result;
  plan.started_at = c.progress.started_at;
  plan.ended_at = c.progress.ended_at;
  plan.execution_time = c.progress.execution_time;
  plan.real_time = c.progress.real_time;
  plan.history = c.progress.history;
}

void ScriptedStore::apply(const Batch::UpdateAction& c) {
  auto& action = plans_.at(c.plan_id).actions.at(static_cast<std::size_t>(c.action_id - 1));
  action.input = c.input;
  action.output = c.output;
}

void ScriptedStore::apply(const Batch::AppendChunks& c) {
  auto& list = chunks_[{c.plan_id, c.action_id}];
  list.insert(list.end(), c.chunks.begin(), c.chunks.end());
}

void ScriptedStore::apply(const Batch::DropChunks& c) {
  const auto found = chunks_.find({c.plan_id, c.action_id});
  if (found == chunks_.end() || found->second.empty()) return;
  output_ends_[found->first] = {found->second.back().sequence, found->second.back().timestamp};
  chunks_.erase(found);
}

void ScriptedStore::apply(const Batch::PutOutbox& c) {
  const auto stored = outbox_.find(c.entry.id);
  if (c.entry.version != 0 && (stored == outbox_.end() || stored->second.version != c.entry.version)) return;
  auto& entry = outbox_[c.entry.id];
  entry = c.entry;
  entry.version = ++last_version_;
}

void ScriptedStore::apply(const Batch::DeleteOutbox& c) {
  const auto stored = outbox_.find(c.entry_id);
  if (stored != outbox_.end() && (c.version == 0 || stored->second.version == c.version)) outbox_.erase(stored);
}

void ScriptedStore::apply(const Batch::ReleaseLocks& c) {
  std::erase_if(locks_, [&](const auto& one) { return one.second == c.plan_id; });
}

}  // namespace dynflow::engine
