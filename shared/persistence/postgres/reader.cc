#include "shared/persistence/postgres/reader.h"

#include <fmt/format.h>

#include "shared/log/log.h"
#include "shared/persistence/encoding.h"

namespace dynflow::persistence::postgres {
namespace {

constexpr Statement kPlanSql{
    "SELECT id, label, state, result, root_plan_step_id, run_flow, finalize_flow, started_at, ended_at, execution_time,"
    " real_time, history, request_digest, owner FROM plans WHERE id=$1"};
constexpr Statement kBacklogSql{
    "SELECT (SELECT count(*) FROM outbox WHERE NOT is_abandoned), (SELECT count(*) FROM outbox WHERE is_abandoned),"
    " (SELECT created_at FROM outbox WHERE NOT is_abandoned ORDER BY number LIMIT 1)"};
constexpr Statement kActionsSql{
    "SELECT id, class, caller_plan_id, caller_action_id, plan_step_id, run_step_id, finalize_step_id, input, output"
    " FROM actions WHERE plan = (SELECT number FROM plans WHERE id=$1) ORDER BY id"};
constexpr Statement kActionSql{
    "SELECT id, class, caller_plan_id, caller_action_id, plan_step_id, run_step_id, finalize_step_id, input, output"
    " FROM actions WHERE plan = (SELECT number FROM plans WHERE id=$1) AND id = $2::bigint"};
constexpr Statement kStepsSql{
    "SELECT s.id, s.action_id, s.phase, s.state, coalesce(s.class, a.class, ''), s.queue, s.children, s.error, s.started_at,"
    " s.ended_at, s.execution_time, s.real_time, s.progress_done, s.progress_weight FROM steps s"
    " LEFT JOIN actions a ON a.plan = s.plan AND a.id = s.action_id"
    " WHERE s.plan = (SELECT number FROM plans WHERE id=$1) ORDER BY s.id"};
constexpr Statement kNumberSql{"SELECT number FROM plans WHERE id=$1"};
constexpr Statement kChunksSql{
    "SELECT sequence, output_type, output, timestamp, id FROM chunks WHERE plan = (SELECT number FROM plans WHERE id=$1)"
    " AND action_id=$2::bigint AND sequence > $3::bigint ORDER BY sequence LIMIT nullif($4::bigint, 0)"};
constexpr Statement kOutputEndSql{
    "SELECT sequence, timestamp FROM ((SELECT sequence, timestamp FROM chunks WHERE plan = (SELECT number FROM plans WHERE id=$1)"
    " AND action_id=$2::bigint ORDER BY sequence DESC LIMIT 1) UNION ALL (SELECT sequence, timestamp FROM output_ends"
    " WHERE plan = (SELECT number FROM plans WHERE id=$1) AND action_id=$2::bigint)) AS ends ORDER BY sequence DESC LIMIT 1"};
constexpr Statement kStatusesSql{"SELECT id, state, result FROM plans WHERE id = ANY($1::text[])"};
constexpr Statement kIdentitiesSql{"SELECT id, request_digest, caller_plan_id FROM plans WHERE id = ANY($1::text[])"};
constexpr Statement kSubPlansSql{
    "SELECT id, state, result FROM plans WHERE caller_plan_id=$1 AND caller_plan_id <> '' ORDER BY number"};
constexpr Statement kCountSql{"SELECT coalesce(sum(count), 0)::bigint FROM plan_counts WHERE $1 = '' OR state = $1"};
constexpr Statement kUnfinishedSql{"SELECT id FROM plans WHERE state <> 'stopped' ORDER BY number"};
constexpr Statement kEventsSql{
    "SELECT id, plan_id, step_id, name, data, created_at, due_at FROM events ORDER BY number"};
constexpr Statement kOwnEventsSql{
    "SELECT e.id, e.plan_id, e.step_id, e.name, e.data, e.created_at, e.due_at FROM events e JOIN plans p ON p.id = e.plan_id"
    " WHERE p.owner = $1 ORDER BY e.number"};
constexpr Statement kEventsOfSql{
    "SELECT id, plan_id, step_id, name, data, created_at, due_at FROM events WHERE plan_id = $1 ORDER BY number"};
constexpr Statement kSecretsSql{"SELECT s.sealed FROM plans p JOIN secrets s ON s.plan = p.number WHERE p.id = $1"};
constexpr Statement kLocksSql{"SELECT name, plan_id FROM locks ORDER BY name"};

Error corrupt(std::string_view plan_id, std::string_view what) {
  return Error(Code::kCorrupt, fmt::format("plan {}: the stored {} is damaged", plan_id, what));
}

// A plan whose state is damaged needs somebody to look at it and must not hide the others of a list: it is shown as
// paused with an error.
PlanStatus read_status(const Rows& rows, int row) {
  const auto state = parse_plan_state(rows.text(row, 1));
  const auto result = parse_plan_result(rows.text(row, 2));
  if (state && result) return {rows.string(row, 0), *state, *result};
  log::error({.task_id = rows.text(row, 0)}, "the stored state of this plan is damaged");
  return {rows.string(row, 0), PlanState::kPaused, PlanResult::kError};
}

std::vector<PlanStatus> read_statuses(const Rows& rows) {
  std::vector<PlanStatus> statuses;
  for (int row = 0; row < rows.count(); ++row) statuses.push_back(read_status(rows, row));
  return statuses;
}

ActionRecord read_action(const Rows& rows, int row) {
  ActionRecord action;
  action.id = rows.small_integer(row, 0);
  action.action_class = rows.string(row, 1);
  action.caller_plan_id = rows.string(row, 2);
  action.caller_action_id = rows.small_integer(row, 3);
  action.plan_step_id = rows.small_integer(row, 4);
  action.run_step_id = rows.small_integer(row, 5);
  action.finalize_step_id = rows.small_integer(row, 6);
  action.input = rows.string(row, 7);
  action.output = rows.string(row, 8);
  return action;
}

Result<PlanRecord> read_plan(const Rows& rows, int row) {
  PlanRecord plan;
  plan.id = rows.string(row, 0);
  plan.label = rows.string(row, 1);
  const auto state = parse_plan_state(rows.text(row, 2));
  const auto result = parse_plan_result(rows.text(row, 3));
  if (!state || !result) return corrupt(plan.id, "state");
  plan.state = *state;
  plan.result = *result;
  plan.root_plan_step_id = rows.small_integer(row, 4);
  plan.run_flow = rows.string(row, 5);
  plan.finalize_flow = rows.string(row, 6);
  plan.started_at = rows.optional_time(row, 7);
  plan.ended_at = rows.optional_time(row, 8);
  plan.execution_time = rows.real(row, 9);
  plan.real_time = rows.real(row, 10);
  Result<std::vector<HistoryEntry>> history = decode_history(rows.text(row, 11));
  if (!history.ok()) return history.error().in(fmt::format("plan {}", plan.id));
  plan.history = std::move(*history);
  plan.request_digest = rows.string(row, 12);
  plan.owner = rows.string(row, 13);
  return plan;
}

Result<StepRecord> read_step(const Rows& rows, int row, const std::string& plan_id) {
  StepRecord step;
  step.id = rows.small_integer(row, 0);
  step.action_id = rows.small_integer(row, 1);
  const auto phase = parse_step_phase(rows.text(row, 2));
  const auto state = parse_step_state(rows.text(row, 3));
  if (!phase || !state) return corrupt(plan_id, fmt::format("step {}", step.id));
  step.phase = *phase;
  step.state = *state;
  step.action_class = rows.string(row, 4);
  step.queue = rows.string(row, 5);
  Result<std::vector<int>> children = decode_children(rows.text(row, 6));
  if (!children.ok()) return children.error().in(fmt::format("plan {}", plan_id));
  step.children = std::move(*children);
  Result<std::optional<StepError>> error = decode_error(rows.text(row, 7));
  if (!error.ok()) return error.error().in(fmt::format("plan {}", plan_id));
  step.error = std::move(*error);
  step.started_at = rows.optional_time(row, 8);
  step.ended_at = rows.optional_time(row, 9);
  step.execution_time = rows.real(row, 10);
  step.real_time = rows.real(row, 11);
  step.progress_done = rows.real(row, 12);
  step.progress_weight = rows.real(row, 13);
  return step;
}

std::vector<EventRecord> read_events(const Rows& rows) {
  std::vector<EventRecord> events;
  for (int row = 0; row < rows.count(); ++row) {
    events.push_back({rows.string(row, 0), rows.string(row, 1), rows.small_integer(row, 2), rows.string(row, 3),
                      rows.string(row, 4), rows.time(row, 5), rows.optional_time(row, 6)});
  }
  return events;
}

Column text_column(const std::vector<std::string>& list) {
  Column column('t');
  for (const std::string& text : list) column.add(text);
  return column;
}

}  // namespace

Result<PlanRecord> Reader::load_plan(std::string_view plan_id) {
  const auto answers = pool_.with([&](Connection& connection) {
    // One round trip, one state of the database.
    connection.queue_text("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    for (const Statement* statement : {&kPlanSql, &kActionsSql, &kStepsSql}) connection.queue(*statement, plan_id);
    connection.queue_text("COMMIT");
    return connection.run(ConnectionPool::deadline());
  });
  if (!answers.ok()) return answers.error();
  if ((*answers)[1].count() == 0) return Error(Code::kNotFound, fmt::format("no plan {}", plan_id));
  Result<PlanRecord> plan = read_plan((*answers)[1], 0);
  if (!plan.ok()) return plan;
  const Rows& actions = (*answers)[2];
  for (int row = 0; row < actions.count(); ++row) plan->actions.push_back(read_action(actions, row));
  const Rows& steps = (*answers)[3];
  for (int row = 0; row < steps.count(); ++row) {
    Result<StepRecord> step = read_step(steps, row, plan->id);
    if (!step.ok()) return step.error();
    plan->steps.push_back(std::move(*step));
  }
  return plan;
}

Result<ActionRecord> Reader::load_action(std::string_view plan_id, int action_id) {
  const auto rows = pool_.run(kActionSql, plan_id, action_id);
  if (!rows.ok()) return rows.error();
  if (rows->count() == 0) return Error(Code::kNotFound, fmt::format("no action {} in plan {}", action_id, plan_id));
  return read_action(*rows, 0);
}

Result<OutputEnd> Reader::load_output_end(std::string_view plan_id, int action_id) {
  const auto answers = pool_.with([&](Connection& connection) {
    connection.queue(kNumberSql, plan_id);
    connection.queue(kOutputEndSql, plan_id, action_id);
    return connection.run(ConnectionPool::deadline());
  });
  if (!answers.ok()) return answers.error();
  if ((*answers)[0].count() == 0) return Error(Code::kNotFound, fmt::format("no plan {}", plan_id));
  const Rows& rows = (*answers)[1];
  return rows.count() == 0 ? OutputEnd() : OutputEnd{rows.integer(0, 0), rows.time(0, 1)};
}

Result<std::vector<OutputChunk>> Reader::load_chunks(std::string_view plan_id, int action_id, std::int64_t after,
                                                     std::size_t limit) {
  const auto answers = pool_.with([&](Connection& connection) {
    connection.queue(kNumberSql, plan_id);
    connection.queue(kChunksSql, plan_id, action_id, after, static_cast<std::int64_t>(limit));
    return connection.run(ConnectionPool::deadline());
  });
  if (!answers.ok()) return answers.error();
  if ((*answers)[0].count() == 0) return Error(Code::kNotFound, fmt::format("no plan {}", plan_id));
  const Rows& rows = (*answers)[1];
  std::vector<OutputChunk> chunks;
  for (int row = 0; row < rows.count(); ++row) {
    chunks.push_back({rows.integer(row, 0), rows.string(row, 1), rows.string(row, 2), rows.time(row, 3), rows.string(row, 4)});
  }
  return chunks;
}

Result<std::vector<PlanStatus>> Reader::load_statuses(const std::vector<std::string>& ids) {
  const Result<Rows> rows = pool_.run(kStatusesSql, text_column(ids));
  if (!rows.ok()) return rows.error();
  return read_statuses(*rows);
}

Result<std::vector<PlanIdentity>> Reader::load_identities(const std::vector<std::string>& ids) {
  const Result<Rows> rows = pool_.run(kIdentitiesSql, text_column(ids));
  if (!rows.ok()) return rows.error();
  std::vector<PlanIdentity> identities;
  for (int row = 0; row < rows->count(); ++row) {
    identities.push_back({rows->string(row, 0), rows->string(row, 1), rows->string(row, 2)});
  }
  return identities;
}

Result<std::vector<PlanStatus>> Reader::load_sub_plans(std::string_view caller_plan_id) {
  const Result<Rows> rows = pool_.run(kSubPlansSql, caller_plan_id);
  if (!rows.ok()) return rows.error();
  return read_statuses(*rows);
}

Result<std::int64_t> Reader::count_plans(std::optional<PlanState> state) {
  const Result<Rows> rows = pool_.run(kCountSql, state ? to_string(*state) : std::string_view());
  if (!rows.ok()) return rows.error();
  return rows->integer(0, 0);
}

Result<std::vector<std::string>> Reader::load_unfinished() {
  const Result<Rows> rows = pool_.run(kUnfinishedSql);
  if (!rows.ok()) return rows.error();
  return rows->first_texts();
}

Result<std::vector<EventRecord>> Reader::load_events(std::string_view world) {
  const Result<Rows> rows = world.empty() ? pool_.run(kEventsSql) : pool_.run(kOwnEventsSql, world);
  if (!rows.ok()) return rows.error();
  return read_events(*rows);
}

Result<std::vector<EventRecord>> Reader::load_events_of(std::string_view plan_id) {
  const Result<Rows> rows = pool_.run(kEventsOfSql, plan_id);
  if (!rows.ok()) return rows.error();
  return read_events(*rows);
}

Result<std::string> Reader::load_secrets(std::string_view plan_id) {
  const Result<Rows> rows = pool_.run(kSecretsSql, plan_id);
  if (!rows.ok()) return rows.error();
  if (rows->count() == 0) return Error(Code::kNotFound, fmt::format("no secrets are stored for plan {}", plan_id));
  return rows->string(0, 0);
}

Result<std::vector<LockRecord>> Reader::load_locks() {
  const Result<Rows> rows = pool_.run(kLocksSql);
  if (!rows.ok()) return rows.error();
  std::vector<LockRecord> locks;
  for (int row = 0; row < rows->count(); ++row) locks.push_back({rows->string(row, 0), rows->string(row, 1)});
  return locks;
}

Result<CallbackBacklog> Reader::callback_backlog() {
  const auto rows = pool_.run(kBacklogSql);
  if (!rows.ok()) return rows.error();
  return CallbackBacklog{rows->integer(0, 0), rows->integer(0, 1), rows->optional_time(0, 2)};
}

}  // namespace dynflow::persistence::postgres
