#include "shared/persistence/sqlite/batch_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "shared/json/json.h"
#include "shared/persistence/encoding.h"

namespace dynflow::persistence {
namespace {

// About 8 MB of remembered rows.
constexpr std::size_t kRememberedPlans = 65'536;

Error no_such_plan(const std::string& plan_id) {
  return Error(Code::kNotFound, fmt::format("plan {} is not stored", plan_id));
}

const std::string& caller_of(const PlanRecord& plan) {
  static const std::string none;
  const auto root = std::find_if(plan.actions.begin(), plan.actions.end(),
                                 [](const ActionRecord& action) { return !action.caller_plan_id.empty(); });
  return root == plan.actions.end() ? none : root->caller_plan_id;
}

PlanProgress progress_of(const PlanRecord& plan) {
  return {plan.state,          plan.result,    plan.started_at, plan.ended_at,
          plan.execution_time, plan.real_time, plan.history};
}

}  // namespace

Status BatchWriter::load_counts() {
  // The finished ones, which are many, are counted by the narrowest index, not looked at.
  const Result<std::int64_t> total = database_.query_int("SELECT count(*) FROM plans");
  if (!total.ok()) return total.error();
  Statement unfinished(database_, "SELECT state, count(*) FROM plans WHERE state <> 'stopped' GROUP BY state");
  if (Status started = unfinished.start(); !started.ok()) return started;
  counts_ = {};
  std::int64_t stopped = *total;
  while (true) {
    const Result<bool> row = unfinished.next();
    if (!row.ok()) return row.error();
    if (!*row) break;
    // A damaged word is reported by whoever loads the plan; here it must not keep the others from work.
    count(parse_plan_state(unfinished.text(0)).value_or(PlanState::kPaused)) += unfinished.integer(1);
    stopped -= unfinished.integer(1);
  }
  count(PlanState::kStopped) = stopped;
  committed_counts_ = counts_;
  const Result<std::int64_t> version = database_.query_int("SELECT max(version) FROM outbox");
  if (!version.ok()) return version.error();
  last_version_ = *version;
  return {};
}

Status BatchWriter::begin() { return begin_.run(); }

Status BatchWriter::commit() {
  Status committed = commit_.run();
  if (committed.ok()) committed_counts_ = counts_;
  return committed;
}

void BatchWriter::roll_back() {
  // SQLite rolls back by itself after some errors. Should this fail, the next BEGIN does too, and comes here again.
  if (database_.is_in_transaction()) static_cast<void>(database_.execute("ROLLBACK"));
  counts_ = committed_counts_;
  plans_.clear();
}

Status BatchWriter::begin_nested() {
  nested_counts_ = counts_;
  return begin_nested_.run();
}

Status BatchWriter::commit_nested() { return commit_nested_.run(); }

Status BatchWriter::roll_back_nested() {
  counts_ = nested_counts_;
  plans_.clear();
  if (Status undone = roll_back_nested_.run(); !undone.ok()) return undone;
  return commit_nested_.run();
}

Status BatchWriter::apply(const WriteBatch& batch) {
  for (const WriteBatch::Change& change : batch.changes()) {
    Status applied = std::visit([this](const auto& one) { return apply_change(one); }, change);
    if (!applied.ok()) return applied;
  }
  return {};
}

Status BatchWriter::apply_change(const WriteBatch::InsertPlan& change) {
  const PlanRecord& plan = change.plan;
  const std::string history = encode_history(plan.history);
  Status inserted = insert_plan_.run(plan.id, plan.label, to_string(plan.state), to_string(plan.result),
                                     plan.root_plan_step_id, plan.run_flow, plan.finalize_flow, plan.started_at,
                                     plan.ended_at, plan.execution_time, plan.real_time, history, plan.request_digest,
                                     caller_of(plan), resting_since(progress_of(plan)), plan.owner);
  if (!inserted.ok()) {
    if (inserted.error().code() == Code::kConflict) {
      return Error(Code::kConflict, fmt::format("plan {} is already stored", plan.id));
    }
    return inserted;
  }
  const std::int64_t number = database_.last_insert_number();
  if (Status done = insert_parts(number, plan); !done.ok()) return done;
  ++count(plan.state);
  remember(plan.id, {number, plan.state});
  return {};
}

Status BatchWriter::apply_change(const WriteBatch::ReplacePlan& change) {
  const PlanRecord& plan = change.plan;
  const Result<PlanRow*> row = find_plan(plan.id);
  if (!row.ok()) return row.error();
  const std::int64_t number = (*row)->number;
  const std::string history = encode_history(plan.history);
  Status done = replace_plan_.run(number, plan.label, to_string(plan.state), to_string(plan.result),
                                  plan.root_plan_step_id, plan.run_flow, plan.finalize_flow, plan.started_at,
                                  plan.ended_at, plan.execution_time, plan.real_time, history, plan.request_digest,
                                  caller_of(plan), resting_since(progress_of(plan)), plan.owner);
  if (done.ok()) done = delete_actions_.run(number);
  if (done.ok()) done = delete_steps_.run(number);
  if (done.ok()) done = insert_parts(number, plan);
  if (done.ok()) change_state(plan.id, **row, plan.state);
  return done;
}

Status BatchWriter::insert_parts(std::int64_t number, const PlanRecord& plan) {
  for (const ActionRecord& action : plan.actions) {
    if (Status done = insert_action(number, action); !done.ok()) return done;
  }
  for (const StepRecord& step : plan.steps) {
    if (Status done = insert_step(number, step, plan); !done.ok()) return done;
  }
  return {};
}

Status BatchWriter::insert_action(std::int64_t plan, const ActionRecord& action) {
  return insert_action_.run(plan, action.id, action.action_class, action.caller_plan_id, action.caller_action_id,
                            action.plan_step_id, action.run_step_id, action.finalize_step_id, action.input,
                            action.output);
}

Status BatchWriter::insert_step(std::int64_t plan, const StepRecord& step, const PlanRecord& record) {
  // Actions have their number as their place, unless somebody left one out.
  const auto place = static_cast<std::size_t>(step.action_id) - 1;
  const bool is_same_class = place < record.actions.size() && record.actions[place].id == step.action_id &&
                             record.actions[place].action_class == step.action_class;
  const auto action_class = is_same_class ? std::nullopt : std::optional<std::string_view>(step.action_class);
  const std::string children = encode_children(step.children);
  const std::string error = encode_error(step.error);
  return insert_step_.run(plan, step.id, step.action_id, to_string(step.phase), to_string(step.state), action_class,
                          step.queue, children, error, step.started_at, step.ended_at, step.execution_time,
                          step.real_time, step.progress_done, step.progress_weight);
}

Status BatchWriter::apply_change(const WriteBatch::UpdatePlan& change) {
  const PlanProgress& progress = change.progress;
  const Result<PlanRow*> plan = find_plan(change.plan_id);
  if (!plan.ok()) return plan.error();
  const std::string history = encode_history(progress.history);
  Status updated = update_plan_.run((*plan)->number, to_string(progress.state), to_string(progress.result),
                                    progress.started_at, progress.ended_at, progress.execution_time,
                                    progress.real_time, history, resting_since(progress));
  if (updated.ok()) change_state(change.plan_id, **plan, progress.state);
  return updated;
}

void BatchWriter::change_state(const std::string& plan_id, PlanRow& row, PlanState state) {
  --count(row.state);
  ++count(state);
  if (state == PlanState::kStopped) {
    plans_.erase(plan_id);
  } else {
    row.state = state;
  }
}

Status BatchWriter::apply_change(const WriteBatch::UpdateStep& change) {
  const Result<PlanRow*> plan = find_plan(change.plan_id);
  if (!plan.ok()) return plan.error();
  const StepRecord& step = change.step;
  const std::string children = encode_children(step.children);
  const std::string error = encode_error(step.error);
  Status updated = update_step_.run((*plan)->number, step.id, to_string(step.state), children, error, step.started_at,
                                    step.ended_at, step.execution_time, step.real_time, step.progress_done,
                                    step.progress_weight);
  if (updated.ok() && database_.changed_rows() == 0) {
    return Error(Code::kNotFound, fmt::format("plan {} has no step {}", change.plan_id, step.id));
  }
  return updated;
}

Status BatchWriter::apply_change(const WriteBatch::UpdateAction& change) {
  const Result<PlanRow*> plan = find_plan(change.plan_id);
  if (!plan.ok()) return plan.error();
  Status updated = change.input.empty()
                       ? update_output_.run((*plan)->number, change.action_id, change.output)
                       : update_action_.run((*plan)->number, change.action_id, change.input, change.output);
  if (updated.ok() && database_.changed_rows() == 0) {
    return Error(Code::kNotFound, fmt::format("plan {} has no action {}", change.plan_id, change.action_id));
  }
  return updated;
}

Status BatchWriter::apply_change(const WriteBatch::AppendChunks& change) {
  const Result<PlanRow*> plan = find_plan(change.plan_id);
  if (!plan.ok()) return plan.error();
  for (const OutputChunk& chunk : change.chunks) {
    Status inserted = insert_chunk_.run((*plan)->number, change.action_id, chunk.sequence, chunk.output_type,
                                        chunk.output, chunk.timestamp, chunk.id);
    if (!inserted.ok()) return inserted;
  }
  return {};
}

Status BatchWriter::apply_change(const WriteBatch::DropChunks& change) {
  const Result<PlanRow*> plan = find_plan(change.plan_id);
  if (!plan.ok()) return plan.error();
  if (Status noted = note_output_end_.run((*plan)->number, change.action_id); !noted.ok()) return noted;
  return drop_chunks_.run((*plan)->number, change.action_id);
}

Status BatchWriter::apply_change(const WriteBatch::PutEvent& change) {
  const EventRecord& event = change.event;
  return put_event_.run(event.id, event.plan_id, event.step_id, event.name, event.data, event.created_at,
                        event.due_at);
}

Status BatchWriter::apply_change(const WriteBatch::DeleteEvent& change) { return delete_event_.run(change.event_id); }

Status BatchWriter::apply_change(const WriteBatch::PutOutbox& change) {
  const OutboxRecord& entry = change.entry;
  if (entry.is_abandoned) {
    // Kept until its plan is cleaned; when that has happened nothing would ever remove the row.
    const Result<PlanRow*> plan = find_plan(entry.plan_id);
    if (!plan.ok() && plan.error().code() == Code::kNotFound) return delete_outbox_.run(entry.id, entry.version);
    if (!plan.ok()) return plan.error();
  }
  const std::int64_t version = ++last_version_;
  const auto put = [&](Statement& statement, const auto&... more) {
    return statement.run(entry.id, entry.plan_id, entry.action_id, entry.callback, entry.data, entry.request_id,
                         entry.attempts, entry.created_at, entry.next_attempt_at, entry.last_error,
                         static_cast<int>(entry.is_abandoned), version, more...);
  };
  return entry.version == 0 ? put(put_outbox_) : put(put_same_outbox_, entry.version);
}

Status BatchWriter::apply_change(const WriteBatch::DeleteOutbox& change) {
  return delete_outbox_.run(change.entry_id, change.version);
}

Status BatchWriter::apply_change(const WriteBatch::PutDelayed& change) {
  const DelayedRecord& delayed = change.delayed;
  const Result<PlanRow*> plan = find_plan(delayed.plan_id);
  if (!plan.ok()) return plan.error();
  const std::int64_t number = (*plan)->number;
  Status done = put_delayed_.run(number, delayed.start_at, delayed.start_before, static_cast<int>(delayed.is_frozen),
                                 delayed.serializer, delayed.args);
  if (!done.ok()) return done;
  const std::string kept = json::dump(Json(delayed.blocked_by));
  if (done = delete_other_dependencies_.run(number, kept); !done.ok()) return done;
  for (const std::string& prerequisite : delayed.blocked_by) {
    if (done = put_dependency_.run(number, prerequisite); !done.ok()) return done;
    if (database_.changed_rows() == 0) return no_such_plan(prerequisite);
  }
  return {};
}

Status BatchWriter::apply_change(const WriteBatch::DeleteDelayed& change) {
  return delete_delayed_.run(change.plan_id);
}

Status BatchWriter::apply_change(const WriteBatch::PutSecrets& change) {
  const Result<PlanRow*> plan = find_plan(change.plan_id);
  if (!plan.ok()) return plan.error();
  return put_secrets_.run((*plan)->number, change.sealed);
}

Status BatchWriter::apply_change(const WriteBatch::DeleteSecrets& change) { return delete_secrets_.run(change.plan_id); }

Status BatchWriter::apply_change(const WriteBatch::ReleaseLocks& change) { return release_locks_.run(change.plan_id); }

Result<std::size_t> BatchWriter::clean(Time before, std::size_t limit) {
  if (Status started = delete_old_plans_.start(before, static_cast<std::int64_t>(limit)); !started.ok()) {
    return started.error();
  }
  return note_removed(delete_old_plans_);
}

Result<std::size_t> BatchWriter::clean(Time before, const std::vector<std::int64_t>& numbers) {
  const std::string list = fmt::format("[{}]", fmt::join(numbers, ","));
  if (Status started = delete_these_plans_.start(list, before); !started.ok()) return started.error();
  const Result<std::size_t> removed = note_removed(delete_these_plans_);
  if (removed.ok() && *removed != numbers.size()) return Error(Code::kConflict, "a plan has changed meanwhile");
  return removed;
}

Result<std::size_t> BatchWriter::note_removed(Statement& deletion) {
  // SQLite has removed all of them before it returns the first row.
  std::size_t removed = 0;
  Status done = for_rows(deletion, [&]() -> Status {
    ++removed;
    plans_.erase(deletion.string(0));
    --count(parse_plan_state(deletion.text(1)).value_or(PlanState::kPaused));
    return {};
  });
  if (!done.ok()) return done.error();
  return removed;
}

Result<BatchWriter::PlanRow*> BatchWriter::find_plan(const std::string& plan_id) {
  const auto known = plans_.find(plan_id);
  if (known != plans_.end()) return &known->second;
  if (Status started = select_plan_.start(plan_id); !started.ok()) return started.error();
  const Rows rows(select_plan_);
  const Result<bool> row = select_plan_.next();
  if (!row.ok()) return row.error();
  if (!*row) return no_such_plan(plan_id);
  // As in load_counts: the counts stay right when a word is damaged.
  const PlanState state = parse_plan_state(select_plan_.text(1)).value_or(PlanState::kPaused);
  remember(plan_id, {select_plan_.integer(0), state});
  return &plans_.at(plan_id);
}

void BatchWriter::remember(const std::string& plan_id, PlanRow row) {
  if (plans_.size() >= kRememberedPlans) plans_.clear();
  plans_.insert_or_assign(plan_id, row);
}

}  // namespace dynflow::persistence
