#include "shared/persistence/postgres/script.h"

#include <algorithm>

#include "shared/json/json.h"
#include "shared/persistence/encoding.h"

namespace dynflow::persistence::postgres {
namespace {

constexpr int kNoRow = -1;
constexpr int kWholeThing = 0;
// A statement with more rows of one plan would look for the same row too long.
constexpr std::size_t kMostRowsOfOne = 64;
// A value of the server ends at 1 GB; a statement is closed long before.
constexpr std::size_t kMostBytes = 16U << 20;

// -- The statements. Columns first, then the world ($w in the comments), then how many rows must have changed ($n).
//
// A world may change plans of its own and those that no registered world owns; where none is registered, everything. This is written out
// in each statement: a function with a query in it is not inlined, but run for each row.
//
// Rows are joined to their plans in a query with an OFFSET, which is planned for itself: what looks for the rows of a table then knows
// all parts of their key. Else a server that has no statistics yet reads all steps of the plan for each that changes.

constexpr Statement kInsertPlansSql{
    "INSERT INTO plans (id, label, state, result, root_plan_step_id, run_flow, finalize_flow, started_at, ended_at,"
    " execution_time, real_time, history, request_digest, caller_plan_id, caller_action_id, resting_since, owner)"
    " SELECT d.a, d.b, d.c, d.d, d.e, d.f, d.g, d.h, d.i, d.j, d.k, d.l, d.m, d.n, d.o, d.p, d.q FROM"
    " unnest($1::text[],$2::text[],$3::text[],$4::text[],$5::bigint[],$6::text[],$7::text[],$8::bigint[],$9::bigint[],"
    "$10::float8[],$11::float8[],$12::text[],$13::text[],$14::text[],$15::bigint[],$16::bigint[],$17::text[])"
    " WITH ORDINALITY AS d (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,place) ORDER BY place"};
constexpr Statement kReplacePlansSql{
    "WITH u AS (UPDATE plans SET label=d.b, state=d.c, result=d.d, root_plan_step_id=d.e, run_flow=d.f, finalize_flow=d.g,"
    " started_at=d.h, ended_at=d.i, execution_time=d.j, real_time=d.k, history=d.l, request_digest=d.m, caller_plan_id=d.n,"
    " caller_action_id=d.o, resting_since=d.p, owner=d.q FROM"
    " unnest($1::text[],$2::text[],$3::text[],$4::text[],$5::bigint[],$6::text[],$7::text[],$8::bigint[],$9::bigint[],"
    "$10::float8[],$11::float8[],$12::text[],$13::text[],$14::text[],$15::bigint[],$16::bigint[],$17::text[])"
    " AS d (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q) WHERE id=d.a"
    " AND ($18 = '' OR owner IN ('', $18) OR NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = owner)) RETURNING 1)"
    " SELECT expect_rows(count(*), $19) FROM u"};
constexpr Statement kDropActionsSql{
    "DELETE FROM actions a USING plans p WHERE p.id = ANY($1::text[]) AND a.plan = p.number"};
constexpr Statement kDropStepsSql{"DELETE FROM steps s USING plans p WHERE p.id = ANY($1::text[]) AND s.plan = p.number"};
constexpr Statement kInsertActionsSql{
    "INSERT INTO actions SELECT p.number, d.b, d.c, d.d, d.e, d.f, d.g, d.h, d.i, d.j FROM"
    " unnest($1::text[],$2::bigint[],$3::text[],$4::text[],$5::bigint[],$6::bigint[],$7::bigint[],$8::bigint[],$9::text[],"
    "$10::text[]) AS d (a,b,c,d,e,f,g,h,i,j) JOIN plans p ON p.id = d.a"};
constexpr Statement kInsertStepsSql{
    "INSERT INTO steps SELECT p.number, d.b, d.c, d.d, d.e, d.f, d.g, d.h, d.i, d.j, d.k, d.l, d.m, d.n, d.o FROM"
    " unnest($1::text[],$2::bigint[],$3::bigint[],$4::text[],$5::text[],$6::text[],$7::text[],$8::text[],$9::text[],"
    "$10::bigint[],$11::bigint[],$12::float8[],$13::float8[],$14::float8[],$15::float8[])"
    " AS d (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o) JOIN plans p ON p.id = d.a"};
constexpr Statement kUpdatePlansSql{
    "WITH u AS (UPDATE plans SET state=d.b, result=d.c, started_at=d.d, ended_at=d.e, execution_time=d.f, real_time=d.g,"
    " history=d.h, resting_since=d.i FROM unnest($1::text[],$2::text[],$3::text[],$4::bigint[],$5::bigint[],$6::float8[],"
    "$7::float8[],$8::text[],$9::bigint[]) AS d (a,b,c,d,e,f,g,h,i)"
    " WHERE id=d.a AND ($10 = '' OR owner IN ('', $10) OR NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = owner)) RETURNING 1)"
    " SELECT expect_rows(count(*), $11) FROM u"};
constexpr Statement kUpdateStepsSql{
    "WITH u AS (UPDATE steps s SET state=d.c, children=d.d, error=d.e, started_at=d.f, ended_at=d.g, execution_time=d.h,"
    " real_time=d.i, progress_done=d.j, progress_weight=d.k FROM (SELECT p.number, d.* FROM unnest($1::text[],$2::bigint[],"
    "$3::text[],$4::text[],$5::text[],$6::bigint[],$7::bigint[],$8::float8[],$9::float8[],$10::float8[],$11::float8[])"
    " AS d (a,b,c,d,e,f,g,h,i,j,k) JOIN plans p ON p.id = d.a"
    " AND ($12 = '' OR p.owner IN ('', $12) OR NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = p.owner)) OFFSET 0) AS d"
    " WHERE s.plan = d.number AND s.id = d.b RETURNING 1) SELECT expect_rows(count(*), $13) FROM u"};
constexpr Statement kUpdateActionsSql{
    "WITH u AS (UPDATE actions s SET input = coalesce(d.c, s.input), output = d.d FROM (SELECT p.number, d.* FROM"
    " unnest($1::text[],$2::bigint[],$3::text[],$4::text[]) AS d (a,b,c,d) JOIN plans p ON p.id = d.a"
    " AND ($5 = '' OR p.owner IN ('', $5) OR NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = p.owner)) OFFSET 0) AS d"
    " WHERE s.plan = d.number AND s.id = d.b RETURNING 1) SELECT expect_rows(count(*), $6) FROM u"};
constexpr Statement kDropChunksSql{
    "WITH w AS (SELECT p.number AS plan, d.b AS action_id FROM unnest($1::text[],$2::bigint[]) AS d (a,b)"
    " JOIN plans p ON p.id = d.a AND ($3 = '' OR p.owner IN ('', $3) OR NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = p.owner))),"
    " ends AS (INSERT INTO output_ends SELECT c.plan, c.action_id, max(c.sequence), max(c.timestamp) FROM w JOIN chunks c"
    " ON c.plan = w.plan AND c.action_id = w.action_id GROUP BY c.plan, c.action_id ON CONFLICT (plan, action_id)"
    " DO UPDATE SET sequence=excluded.sequence, timestamp=excluded.timestamp),"
    " gone AS (DELETE FROM chunks c USING w WHERE c.plan = w.plan AND c.action_id = w.action_id)"
    " SELECT expect_rows(count(*), $4) FROM w"};
constexpr Statement kAppendChunksSql{
    "WITH u AS (INSERT INTO chunks SELECT p.number, d.b, d.c, d.d, d.e, d.f, d.g FROM"
    " unnest($1::text[],$2::bigint[],$3::bigint[],$4::text[],$5::text[],$6::bigint[],$7::text[]) AS d (a,b,c,d,e,f,g)"
    " JOIN plans p ON p.id = d.a AND ($8 = '' OR p.owner IN ('', $8) OR NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = p.owner))"
    " RETURNING 1) SELECT expect_rows(count(*), $9) FROM u"};
constexpr Statement kPutEventsSql{
    "INSERT INTO events (id, plan_id, step_id, name, data, created_at, due_at) SELECT d.a, d.b, d.c, d.d, d.e, d.f, d.g FROM"
    " unnest($1::text[],$2::text[],$3::bigint[],$4::text[],$5::text[],$6::bigint[],$7::bigint[])"
    " WITH ORDINALITY AS d (a,b,c,d,e,f,g,place) ORDER BY place ON CONFLICT (id) DO NOTHING"};
constexpr Statement kDeleteEventsSql{"DELETE FROM events WHERE id = ANY($1::text[])"};
// Columns of outbox entries: id, version, plan id, action, callback, data, request, attempts, created, next, error, abandoned.
constexpr Statement kPutOutboxSql{
    "INSERT INTO outbox AS o (id, plan_id, action_id, callback, data, request_id, attempts, created_at, next_attempt_at,"
    " last_error, is_abandoned, owner) SELECT d.a, d.c, d.d, d.e, d.f, d.g, d.h, d.i, d.j, d.k, d.l, $13::text FROM"
    " unnest($1::text[],$2::bigint[],$3::text[],$4::bigint[],$5::text[],$6::text[],$7::text[],$8::bigint[],$9::bigint[],"
    "$10::bigint[],$11::text[],$12::boolean[]) WITH ORDINALITY AS d (a,b,c,d,e,f,g,h,i,j,k,l,place)"
    " WHERE d.b = 0 ORDER BY place ON CONFLICT (id) DO UPDATE SET plan_id=excluded.plan_id, action_id=excluded.action_id,"
    " callback=excluded.callback, data=excluded.data, request_id=excluded.request_id, attempts=excluded.attempts,"
    " created_at=excluded.created_at, next_attempt_at=excluded.next_attempt_at, last_error=excluded.last_error,"
    " is_abandoned=excluded.is_abandoned, owner=excluded.owner, version=nextval('outbox_version')"};
constexpr Statement kReputOutboxSql{
    "UPDATE outbox o SET plan_id=d.c, action_id=d.d, callback=d.e, data=d.f, request_id=d.g, attempts=d.h, created_at=d.i,"
    " next_attempt_at=d.j, last_error=d.k, is_abandoned=d.l, owner=$13::text, version=nextval('outbox_version') FROM"
    " unnest($1::text[],$2::bigint[],$3::text[],$4::bigint[],$5::text[],$6::text[],$7::text[],$8::bigint[],$9::bigint[],"
    "$10::bigint[],$11::text[],$12::boolean[]) AS d (a,b,c,d,e,f,g,h,i,j,k,l) WHERE o.id = d.a AND o.version = d.b"};
constexpr Statement kDropAbandonedSql{
    "DELETE FROM outbox o WHERE o.id = ANY($1::text[]) AND o.is_abandoned"
    " AND NOT EXISTS (SELECT 1 FROM plans p WHERE p.id = o.plan_id)"};
constexpr Statement kDeleteOutboxSql{
    "DELETE FROM outbox o USING unnest($1::text[],$2::bigint[]) AS d (a,b) WHERE o.id = d.a AND (d.b = 0 OR o.version = d.b)"};
// Columns of delayed plans: id, prerequisites as JSON, start_at, start_before, is_frozen, serializer, args.
constexpr Statement kPutDelayedSql{
    "WITH u AS (INSERT INTO delayed_plans SELECT p.number, d.c, d.d, d.e, d.f, d.g FROM unnest($1::text[],$2::text[],"
    "$3::bigint[],$4::bigint[],$5::boolean[],$6::text[],$7::text[]) AS d (a,b,c,d,e,f,g) JOIN plans p ON p.id = d.a"
    " ON CONFLICT (plan) DO UPDATE SET start_at=excluded.start_at, start_before=excluded.start_before,"
    " is_frozen=excluded.is_frozen, serializer=excluded.serializer, args=excluded.args RETURNING 1)"
    " SELECT expect_rows(count(*), $8) FROM u"};
// What a prerequisite that is gone has become is kept.
constexpr Statement kDropDependenciesSql{
    "DELETE FROM dependencies o USING unnest($1::text[],$2::text[]) AS d (a,b) JOIN plans p ON p.id = d.a"
    " WHERE o.plan = p.number AND o.prerequisite NOT IN (SELECT json_array_elements_text(d.b::json))"};
constexpr Statement kAddDependenciesSql{
    "INSERT INTO dependencies (plan, prerequisite) SELECT w.plan, w.prerequisite FROM"
    " (SELECT p.number AS plan, json_array_elements_text(d.b::json) AS prerequisite FROM unnest($1::text[],$2::text[])"
    " AS d (a,b) JOIN plans p ON p.id = d.a) AS w"
    " WHERE EXISTS (SELECT 1 FROM plans q WHERE q.id = w.prerequisite) ON CONFLICT DO NOTHING"};
constexpr Statement kCheckDependenciesSql{
    "SELECT expect_rows(count(*), 0) FROM (SELECT p.number AS plan, json_array_elements_text(d.b::json) AS prerequisite FROM"
    " unnest($1::text[],$2::text[]) AS d (a,b) JOIN plans p ON p.id = d.a) AS w"
    " WHERE NOT EXISTS (SELECT 1 FROM dependencies n WHERE n.plan = w.plan AND n.prerequisite = w.prerequisite)"};
constexpr Statement kDeleteDelayedSql{
    "DELETE FROM delayed_plans d USING plans p WHERE p.id = ANY($1::text[]) AND d.plan = p.number"};
constexpr Statement kPutSecretsSql{
    "WITH u AS (INSERT INTO secrets SELECT p.number, d.b FROM unnest($1::text[],$2::text[]) AS d (a,b) JOIN plans p ON p.id = d.a"
    " ON CONFLICT (plan) DO UPDATE SET sealed=excluded.sealed RETURNING 1) SELECT expect_rows(count(*), $3) FROM u"};
constexpr Statement kDeleteSecretsSql{"DELETE FROM secrets s USING plans p WHERE p.id = ANY($1::text[]) AND s.plan = p.number"};
constexpr Statement kReleaseLocksSql{"DELETE FROM locks WHERE plan_id = ANY($1::text[])"};
constexpr Statement kWakeOwnersSql{
    "SELECT pg_notify('dynflow:' || current_schema(), CASE owner WHEN '' THEN '*' ELSE owner END) FROM plans"
    " WHERE id = ANY($1::text[])"};
constexpr Statement kWakeAllSql{"SELECT pg_notify('dynflow:' || current_schema(), '*')"};

const ActionRecord* root_of(const PlanRecord& plan) {
  const auto root = std::find_if(plan.actions.begin(), plan.actions.end(),
                                 [](const ActionRecord& action) { return !action.caller_plan_id.empty(); });
  return root == plan.actions.end() ? nullptr : &*root;
}

// Nothing: that of its action.
std::optional<std::string_view> class_of(const StepRecord& step, const PlanRecord& plan) {
  // Actions have their number as their place, unless somebody left one out.
  const auto place = static_cast<std::size_t>(step.action_id) - 1;
  if (place < plan.actions.size() && plan.actions[place].id == step.action_id &&
      plan.actions[place].action_class == step.action_class) {
    return std::nullopt;
  }
  return step.action_class;
}

std::string text_list(const std::vector<std::string>& texts) {
  std::string list = "[";
  for (const std::string& text : texts) {
    if (list.size() > 1) list += ',';
    json::dump_string_to(list, text);
  }
  return list + "]";
}

bool may_be_taken_up(PlanState state) {
  return state != PlanState::kStopped && state != PlanState::kPaused;
}

}  // namespace

struct Script::KindOfChange {
  struct Step {
    const Statement* statement = nullptr;
    std::size_t columns = 0;     // how many of them it takes
    bool takes_world = false;
    bool expects_rows = false;   // as many as there are
  };
  const char* types;
  std::array<Step, 4> steps;
};

const std::array<Script::KindOfChange, Script::kKindCount> Script::kKinds = {{
    {"ttttittiifftttiit", {{{&kInsertPlansSql, 17}}}},
    {"ttttittiifftttiit", {{{&kReplacePlansSql, 17, true, true}, {&kDropActionsSql, 1}, {&kDropStepsSql, 1}}}},
    {"tittiiiitt", {{{&kInsertActionsSql, 10}}}},
    {"tiittttttiiffff", {{{&kInsertStepsSql, 15}}}},
    {"tttiiffti", {{{&kUpdatePlansSql, 9, true, true}}}},
    {"titttiiffff", {{{&kUpdateStepsSql, 11, true, true}}}},
    {"titt", {{{&kUpdateActionsSql, 4, true, true}}}},
    {"ti", {{{&kDropChunksSql, 2, true, true}}}},
    {"tiittit", {{{&kAppendChunksSql, 7, true, true}}}},
    {"ttittii", {{{&kPutEventsSql, 7}}}},
    {"t", {{{&kDeleteEventsSql, 1}}}},
    {"tititttiiitb", {{{&kPutOutboxSql, 12, true}}}},
    {"tititttiiitb", {{{&kPutOutboxSql, 12, true}, {&kReputOutboxSql, 12, true}, {&kDropAbandonedSql, 1}}}},
    {"ti", {{{&kDeleteOutboxSql, 2}}}},
    {"ttiibtt", {{{&kPutDelayedSql, 7, false, true}, {&kDropDependenciesSql, 2}, {&kAddDependenciesSql, 2},
                 {&kCheckDependenciesSql, 2}}}},
    {"t", {{{&kDeleteDelayedSql, 1}}}},
    {"tt", {{{&kPutSecretsSql, 2, false, true}}}},
    {"t", {{{&kDeleteSecretsSql, 1}}}},
    {"t", {{{&kReleaseLocksSql, 1}}}},
    {"t", {{{&kWakeOwnersSql, 1}}}},
}};

void Script::add(const WriteBatch& batch) {
  for (const WriteBatch::Change& change : batch.changes()) add(change);
}

void Script::add(const WriteBatch::Change& change) {
  std::visit([this](const auto& one) { add_change(one); }, change);
}

void Script::send(Connection& connection) const {
  for (const Round& round : rounds_) {
    for (std::size_t kind = 0; kind < kKindCount; ++kind) {
      const Columns* table = round.columns[kind].get();
      if (table == nullptr) continue;
      for (const KindOfChange::Step& step : kKinds[kind].steps) {
        if (step.statement == nullptr) continue;
        std::vector<Parameter> values;
        if (step.takes_world) values.emplace_back(world_);
        if (step.expects_rows) values.emplace_back(static_cast<std::int64_t>(table->rows()));
        connection.queue_columns(*step.statement, *table, step.columns, values);
      }
    }
  }
  if (wakes_all_) connection.queue(kWakeAllSql);
}

std::size_t Script::place(std::string_view what, std::string_view id, Kind kind, int row) {
  std::string key(what);
  key += id;
  Cursor& cursor = cursors_[std::move(key)];
  if (kind == cursor.kind && row != kNoRow) {
    const bool is_touched = std::find(cursor.rows.begin(), cursor.rows.end(), row) != cursor.rows.end();
    if (is_touched || cursor.rows.size() >= kMostRowsOfOne) {
      ++cursor.round;
      cursor.rows.clear();
    }
  } else if (kind != cursor.kind) {
    if (kind < cursor.kind) ++cursor.round;
    cursor.kind = kind;
    cursor.rows.clear();
  }
  while (is_full(cursor.round, kind)) {
    ++cursor.round;
    cursor.rows.clear();
  }
  if (row != kNoRow) cursor.rows.push_back(row);
  return cursor.round;
}

bool Script::is_full(std::size_t round, Kind kind) {
  if (columns(round, kind).byte_count() > kMostBytes) return true;
  return kind <= kReplacePlans && columns(round, kInsertActions).byte_count() > kMostBytes;
}

Columns& Script::columns(std::size_t round, Kind kind) {
  if (round >= rounds_.size()) rounds_.resize(round + 1);
  std::unique_ptr<Columns>& table = rounds_[round].columns[kind];
  if (!table) table = std::make_unique<Columns>(kKinds[kind].types);
  return *table;
}

void Script::add_plan(const PlanRecord& plan, Kind kind) {
  const std::size_t round = place("p", plan.id, kind, kWholeThing);
  const PlanProgress progress{plan.state,          plan.result,    plan.started_at, plan.ended_at,
                              plan.execution_time, plan.real_time, plan.history};
  const ActionRecord* root = root_of(plan);
  columns(round, kind)
      .add_row(plan.id, plan.label, to_string(plan.state), to_string(plan.result), plan.root_plan_step_id, plan.run_flow,
               plan.finalize_flow, plan.started_at, plan.ended_at, plan.execution_time, plan.real_time,
               encode_history(plan.history), plan.request_digest, root == nullptr ? "" : root->caller_plan_id,
               root == nullptr ? 0 : root->caller_action_id, resting_since(progress), plan.owner);
  Columns& actions = columns(round, kInsertActions);
  for (const ActionRecord& action : plan.actions) {
    actions.add_row(plan.id, action.id, action.action_class, action.caller_plan_id, action.caller_action_id,
                    action.plan_step_id, action.run_step_id, action.finalize_step_id, action.input, action.output);
  }
  Columns& steps = columns(round, kInsertSteps);
  for (const StepRecord& step : plan.steps) {
    steps.add_row(plan.id, step.id, step.action_id, to_string(step.phase), to_string(step.state), class_of(step, plan),
                  step.queue, encode_children(step.children), encode_error(step.error), step.started_at, step.ended_at,
                  step.execution_time, step.real_time, step.progress_done, step.progress_weight);
  }
  // Its parts are there from the next kind on.
  Cursor& cursor = cursors_["p" + plan.id];
  cursor.kind = kInsertSteps;
  cursor.rows = {kWholeThing};
  if ((plan.owner.empty() || plan.owner != world_) && may_be_taken_up(plan.state)) wakes_all_ = true;
}

void Script::add_change(const WriteBatch::InsertPlan& change) { add_plan(change.plan, kInsertPlans); }

void Script::add_change(const WriteBatch::ReplacePlan& change) { add_plan(change.plan, kReplacePlans); }

void Script::add_change(const WriteBatch::UpdatePlan& change) {
  const PlanProgress& progress = change.progress;
  const std::size_t round = place("p", change.plan_id, kUpdatePlans, kWholeThing);
  columns(round, kUpdatePlans)
      .add_row(change.plan_id, to_string(progress.state), to_string(progress.result), progress.started_at,
               progress.ended_at, progress.execution_time, progress.real_time, encode_history(progress.history),
               resting_since(progress));
}

void Script::add_change(const WriteBatch::UpdateStep& change) {
  const StepRecord& step = change.step;
  const std::size_t round = place("p", change.plan_id, kUpdateSteps, step.id);
  columns(round, kUpdateSteps)
      .add_row(change.plan_id, step.id, to_string(step.state), encode_children(step.children), encode_error(step.error),
               step.started_at, step.ended_at, step.execution_time, step.real_time, step.progress_done,
               step.progress_weight);
}

void Script::add_change(const WriteBatch::UpdateAction& change) {
  const std::size_t round = place("p", change.plan_id, kUpdateActions, change.action_id);
  const auto input = change.input.empty() ? std::nullopt : std::optional<std::string_view>(change.input);
  columns(round, kUpdateActions).add_row(change.plan_id, change.action_id, input, change.output);
}

void Script::add_change(const WriteBatch::AppendChunks& change) {
  for (const OutputChunk& chunk : change.chunks) {
    const std::size_t round = place("p", change.plan_id, kAppendChunks, kNoRow);
    columns(round, kAppendChunks)
        .add_row(change.plan_id, change.action_id, chunk.sequence, chunk.output_type, chunk.output, chunk.timestamp,
                 chunk.id);
  }
}

void Script::add_change(const WriteBatch::DropChunks& change) {
  const std::size_t round = place("p", change.plan_id, kDropChunks, kNoRow);
  columns(round, kDropChunks).add_row(change.plan_id, change.action_id);
}

void Script::add_change(const WriteBatch::PutEvent& change) {
  const EventRecord& event = change.event;
  const std::size_t round = place("e", event.id, kPutEvents, kNoRow);
  columns(round, kPutEvents)
      .add_row(event.id, event.plan_id, event.step_id, event.name, event.data, event.created_at, event.due_at);
}

void Script::add_change(const WriteBatch::DeleteEvent& change) {
  const std::size_t round = place("e", change.event_id, kDeleteEvents, kNoRow);
  columns(round, kDeleteEvents).add_row(change.event_id);
}

void Script::add_change(const WriteBatch::WakeOwner& change) {
  const std::size_t round = place("p", change.plan_id, kWakeOwners, kNoRow);
  columns(round, kWakeOwners).add_row(change.plan_id);
}

void Script::add_change(const WriteBatch::PutOutbox& change) {
  const OutboxRecord& entry = change.entry;
  const Kind kind = entry.version == 0 && !entry.is_abandoned ? kPutOutbox : kReputOutbox;
  std::size_t round = place("o", entry.id, kind, kWholeThing);
  if (entry.is_abandoned) {
    // It depends on its plan too.
    const std::size_t after_plan = place("p", entry.plan_id, kind, kNoRow);
    if (after_plan > round) {
      Cursor& cursor = cursors_["o" + entry.id];
      cursor.round = after_plan;
      cursor.rows = {kWholeThing};
      round = after_plan;
    }
  }
  columns(round, kind)
      .add_row(entry.id, entry.version, entry.plan_id, entry.action_id, entry.callback, entry.data, entry.request_id,
               entry.attempts, entry.created_at, entry.next_attempt_at, entry.last_error, entry.is_abandoned);
}

void Script::add_change(const WriteBatch::DeleteOutbox& change) {
  const std::size_t round = place("o", change.entry_id, kDeleteOutbox, kNoRow);
  columns(round, kDeleteOutbox).add_row(change.entry_id, change.version);
}

void Script::add_change(const WriteBatch::PutDelayed& change) {
  const DelayedRecord& delayed = change.delayed;
  const std::size_t round = place("p", delayed.plan_id, kPutDelayed, kWholeThing);
  columns(round, kPutDelayed)
      .add_row(delayed.plan_id, text_list(delayed.blocked_by), delayed.start_at, delayed.start_before, delayed.is_frozen,
               delayed.serializer, delayed.args);
  wakes_all_ = true;
}

void Script::add_change(const WriteBatch::DeleteDelayed& change) {
  const std::size_t round = place("p", change.plan_id, kDeleteDelayed, kNoRow);
  columns(round, kDeleteDelayed).add_row(change.plan_id);
}

void Script::add_change(const WriteBatch::PutSecrets& change) {
  const std::size_t round = place("p", change.plan_id, kPutSecrets, kWholeThing);
  columns(round, kPutSecrets).add_row(change.plan_id, change.sealed);
}

void Script::add_change(const WriteBatch::DeleteSecrets& change) {
  const std::size_t round = place("p", change.plan_id, kDeleteSecrets, kNoRow);
  columns(round, kDeleteSecrets).add_row(change.plan_id);
}

void Script::add_change(const WriteBatch::ReleaseLocks& change) {
  const std::size_t round = place("p", change.plan_id, kReleaseLocks, kNoRow);
  columns(round, kReleaseLocks).add_row(change.plan_id);
}

}  // namespace dynflow::persistence::postgres
