#include "shared/persistence/sqlite/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "shared/log/log.h"
#include "shared/persistence/encoding.h"
#include "shared/persistence/sqlite/plan_search.h"

namespace dynflow::persistence {
namespace {

Error corrupt(std::string_view plan_id, std::string_view what) {
  return Error(Code::kCorrupt, fmt::format("plan {}: the stored {} is damaged", plan_id, what));
}

// A plan whose state is damaged needs somebody to look at it and must not hide the others of a list: it is shown as
// paused with an error, as the counts have it.
PlanStatus read_status(const Statement& row) {
  const auto state = parse_plan_state(row.text(1));
  const auto result = parse_plan_result(row.text(2));
  if (state && result) return {row.string(0), *state, *result};
  log::error({.task_id = row.text(0)}, "the stored state of this plan is damaged");
  return {row.string(0), PlanState::kPaused, PlanResult::kError};
}

Result<PlanRecord> read_plan(const Statement& row) {
  PlanRecord plan;
  plan.id = row.string(1);
  plan.label = row.string(2);
  const auto state = parse_plan_state(row.text(3));
  const auto result = parse_plan_result(row.text(4));
  if (!state || !result) return corrupt(plan.id, "state");
  plan.state = *state;
  plan.result = *result;
  plan.root_plan_step_id = row.small_integer(5);
  plan.run_flow = row.string(6);
  plan.finalize_flow = row.string(7);
  plan.started_at = row.optional_time(8);
  plan.ended_at = row.optional_time(9);
  plan.execution_time = row.real(10);
  plan.real_time = row.real(11);
  Result<std::vector<HistoryEntry>> history = decode_history(row.text(12));
  if (!history.ok()) return history.error().in(fmt::format("plan {}", plan.id));
  plan.history = std::move(*history);
  plan.request_digest = row.string(13);
  plan.owner = row.string(14);
  return plan;
}

// A row for people; as in read_status, damage must not hide the other plans.
PlanRecord read_summary(const Statement& row) {
  PlanRecord plan;
  PlanStatus status = read_status(row);
  plan.id = std::move(status.id);
  plan.state = status.state;
  plan.result = status.result;
  plan.label = row.string(3);
  plan.root_plan_step_id = row.small_integer(4);
  plan.started_at = row.optional_time(5);
  plan.ended_at = row.optional_time(6);
  plan.execution_time = row.real(7);
  plan.real_time = row.real(8);
  Result<std::vector<HistoryEntry>> history = decode_history(row.text(9));
  if (history.ok()) {
    plan.history = std::move(*history);
  } else {
    log::error({.task_id = plan.id}, "{}", history.error().message());
  }
  plan.request_digest = row.string(10);
  plan.owner = row.string(11);
  return plan;
}

Result<StepRecord> read_step(const Statement& row, const std::string& plan_id) {
  StepRecord step;
  step.id = row.small_integer(0);
  step.action_id = row.small_integer(1);
  const auto phase = parse_step_phase(row.text(2));
  const auto state = parse_step_state(row.text(3));
  if (!phase || !state) return corrupt(plan_id, fmt::format("step {}", step.id));
  step.phase = *phase;
  step.state = *state;
  step.action_class = row.string(4);
  step.queue = row.string(5);
  Result<std::vector<int>> children = decode_children(row.text(6));
  if (!children.ok()) return children.error().in(fmt::format("plan {}", plan_id));
  step.children = std::move(*children);
  Result<std::optional<StepError>> error = decode_error(row.text(7));
  if (!error.ok()) return error.error().in(fmt::format("plan {}", plan_id));
  step.error = std::move(*error);
  step.started_at = row.optional_time(8);
  step.ended_at = row.optional_time(9);
  step.execution_time = row.real(10);
  step.real_time = row.real(11);
  step.progress_done = row.real(12);
  step.progress_weight = row.real(13);
  return step;
}

ActionRecord read_action(const Statement& row) {
  ActionRecord action;
  action.id = row.small_integer(0);
  action.action_class = row.string(1);
  action.caller_plan_id = row.string(2);
  action.caller_action_id = row.small_integer(3);
  action.plan_step_id = row.small_integer(4);
  action.run_step_id = row.small_integer(5);
  action.finalize_step_id = row.small_integer(6);
  action.input = row.string(7);
  action.output = row.string(8);
  return action;
}

}  // namespace

// Several statements that see the same state of the database.
class Reader::Snapshot {
 public:
  explicit Snapshot(Reader& reader) : reader_(reader), begun_(reader.begin_.run()) {}
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    // Ending a transaction that has only read cannot lose anything.
    if (reader_.database_.is_in_transaction()) static_cast<void>(reader_.end_.run());
  }
  const Status& begun() const { return begun_; }

 private:
  Reader& reader_;
  Status begun_;
};

Result<PlanRecord> Reader::load_plan(std::string_view plan_id) {
  const Snapshot snapshot(*this);
  if (!snapshot.begun().ok()) return snapshot.begun().error();
  if (Status started = plan_.start(plan_id); !started.ok()) return started.error();
  const Rows rows(plan_);
  const Result<bool> row = plan_.next();
  if (!row.ok()) return row.error();
  if (!*row) return Error(Code::kNotFound, fmt::format("no plan {}", plan_id));
  Result<PlanRecord> plan = read_plan(plan_);
  if (!plan.ok()) return plan;
  const std::int64_t number = plan_.integer(0);
  if (Status done = load_actions(number, *plan); !done.ok()) return done.error();
  if (Status done = load_steps(number, *plan); !done.ok()) return done.error();
  return plan;
}

Result<ActionRecord> Reader::load_action(std::string_view plan_id, int action_id) {
  if (Status started = action_.start(plan_id, action_id); !started.ok()) return started.error();
  const Rows rows(action_);
  const Result<bool> row = action_.next();
  if (!row.ok()) return row.error();
  if (!*row) return Error(Code::kNotFound, fmt::format("no action {} in plan {}", action_id, plan_id));
  return read_action(action_);
}

Status Reader::load_actions(std::int64_t number, PlanRecord& plan) {
  if (Status started = actions_.start(number); !started.ok()) return started;
  return for_rows(actions_, [&]() -> Status {
    plan.actions.push_back(read_action(actions_));
    return {};
  });
}

Status Reader::load_steps(std::int64_t number, PlanRecord& plan) {
  if (Status started = steps_.start(number); !started.ok()) return started;
  return for_rows(steps_, [&]() -> Status {
    Result<StepRecord> step = read_step(steps_, plan.id);
    if (!step.ok()) return step.error();
    plan.steps.push_back(std::move(*step));
    return {};
  });
}

Result<OutputEnd> Reader::load_output_end(std::string_view plan_id, int action_id) {
  const Snapshot snapshot(*this);
  if (!snapshot.begun().ok()) return snapshot.begun().error();
  if (Status started = number_.start(plan_id); !started.ok()) return started.error();
  const Rows rows(number_);
  const Result<bool> row = number_.next();
  if (!row.ok()) return row.error();
  if (!*row) return Error(Code::kNotFound, fmt::format("no plan {}", plan_id));

  OutputEnd end;
  if (Status started = output_end_.start(number_.integer(0), action_id); !started.ok()) return started.error();
  Status done = for_rows(output_end_, [&]() -> Status {
    if (output_end_.integer(0) > end.sequence) end = {output_end_.integer(0), output_end_.time(1)};
    return {};
  });
  if (!done.ok()) return done.error();
  return end;
}

Result<std::vector<OutputChunk>> Reader::load_chunks(std::string_view plan_id, int action_id, std::int64_t after,
                                                     std::size_t limit) {
  const Snapshot snapshot(*this);
  if (!snapshot.begun().ok()) return snapshot.begun().error();
  if (Status started = number_.start(plan_id); !started.ok()) return started.error();
  const Rows rows(number_);
  const Result<bool> row = number_.next();
  if (!row.ok()) return row.error();
  if (!*row) return Error(Code::kNotFound, fmt::format("no plan {}", plan_id));

  std::vector<OutputChunk> chunks;
  const std::int64_t all = -1;  // SQLite's word for no limit
  const std::int64_t row_limit = limit == 0 ? all : static_cast<std::int64_t>(limit);
  if (Status started = chunks_.start(number_.integer(0), action_id, after, row_limit); !started.ok()) {
    return started.error();
  }
  Status done = for_rows(chunks_, [&]() -> Status {
    chunks.push_back({chunks_.integer(0), chunks_.string(1), chunks_.string(2), chunks_.time(3), chunks_.string(4)});
    return {};
  });
  if (!done.ok()) return done.error();
  return chunks;
}

Result<std::vector<PlanStatus>> Reader::load_statuses(const std::vector<std::string>& ids) {
  std::vector<PlanStatus> statuses;
  // One prepared look-up an id costs 3 us and, unlike a list of parameters, is the same statement for any number.
  const Snapshot snapshot(*this);
  if (!snapshot.begun().ok()) return snapshot.begun().error();
  for (const std::string& id : ids) {
    if (Status started = status_.start(id); !started.ok()) return started.error();
    Status done = for_rows(status_, [&]() -> Status {
      statuses.push_back(read_status(status_));
      return {};
    });
    if (!done.ok()) return done.error();
  }
  return statuses;
}

Result<std::vector<PlanIdentity>> Reader::load_identities(const std::vector<std::string>& ids) {
  std::vector<PlanIdentity> identities;
  const Snapshot snapshot(*this);
  if (!snapshot.begun().ok()) return snapshot.begun().error();
  for (const std::string& id : ids) {
    if (Status started = identity_.start(id); !started.ok()) return started.error();
    Status done = for_rows(identity_, [&]() -> Status {
      identities.push_back({identity_.string(0), identity_.string(1), identity_.string(2)});
      return {};
    });
    if (!done.ok()) return done.error();
  }
  return identities;
}

Result<std::vector<PlanStatus>> Reader::load_sub_plans(std::string_view caller_plan_id) {
  std::vector<PlanStatus> statuses;
  if (Status started = sub_plans_.start(caller_plan_id); !started.ok()) return started.error();
  Status done = for_rows(sub_plans_, [&]() -> Status {
    statuses.push_back(read_status(sub_plans_));
    return {};
  });
  if (!done.ok()) return done.error();
  return statuses;
}

Result<std::vector<std::string>> Reader::load_unfinished() {
  std::vector<std::string> ids;
  if (Status started = unfinished_.start(); !started.ok()) return started.error();
  Status done = for_rows(unfinished_, [&]() -> Status {
    ids.push_back(unfinished_.string(0));
    return {};
  });
  if (!done.ok()) return done.error();
  return ids;
}

Result<std::vector<PlanRecord>> Reader::find_plans(const PlanFilter& filter, const PlanOrder& order) {
  auto listed = list_plans(filter, {order.column, order.is_descending, order.limit}, order.offset);
  if (!listed.ok()) return listed.error();
  return plans_of(std::move(*listed));
}

Result<std::vector<ListedPlan>> Reader::list_plans(const PlanFilter& filter, const PageOrder& order, std::size_t offset) {
  const PlanSearch search = search_page(
      "id, state, result, label, root_plan_step_id, started_at, ended_at, execution_time, real_time, history,"
      " request_digest, owner, number",
      filter, order, offset);
  Statement statement(database_, search.sql.c_str());
  if (Status started = statement.start_with(search.values); !started.ok()) return started.error();
  std::vector<ListedPlan> plans;
  Status done = for_rows(statement, [&]() -> Status {
    PlanRecord plan = read_summary(statement);
    PlanPlace place = place_of(plan, statement.integer(12), order.column);
    plans.push_back({std::move(plan), std::move(place)});
    return {};
  });
  if (!done.ok()) return done.error();
  if (order.before) std::reverse(plans.begin(), plans.end());
  return plans;
}

Result<std::int64_t> Reader::count_plans(const PlanFilter& filter) {
  const PlanSearch search = count_plans_of(filter);
  Statement statement(database_, search.sql.c_str());
  if (Status started = statement.start_with(search.values); !started.ok()) return started.error();
  const Result<bool> row = statement.next();
  if (!row.ok()) return row.error();
  return statement.integer(0);
}

Result<std::vector<EventRecord>> Reader::load_events(const std::optional<std::string>& owner) {
  Statement& statement = owner ? events_of_owner_ : events_;
  if (Status started = owner ? statement.start(*owner) : statement.start(); !started.ok()) return started.error();
  return read_events(statement);
}

Result<std::vector<EventRecord>> Reader::load_events_of(std::string_view plan_id) {
  if (Status started = events_of_plan_.start(plan_id); !started.ok()) return started.error();
  return read_events(events_of_plan_);
}

Result<std::vector<EventRecord>> Reader::read_events(Statement& statement) {
  std::vector<EventRecord> events;
  Status done = for_rows(statement, [&]() -> Status {
    events.push_back({statement.string(0), statement.string(1), statement.small_integer(2), statement.string(3),
                      statement.string(4), statement.time(5), statement.optional_time(6)});
    return {};
  });
  if (!done.ok()) return done.error();
  return events;
}

Result<std::vector<OutboxRecord>> Reader::load_due_outbox(Time now, std::size_t limit, const std::vector<std::int64_t>& under_way) {
  std::vector<OutboxRecord> entries;
  // To step over a row costs less than a list in the statement, which SQLite would make a table of.
  const std::unordered_set<std::int64_t> known(under_way.begin(), under_way.end());
  const auto rows = static_cast<std::int64_t>(limit + known.size());
  if (Status started = due_outbox_.start(now, rows); !started.ok()) return started.error();
  Status done = for_rows(due_outbox_, [&]() -> Status {
    if (entries.size() == limit || known.count(due_outbox_.integer(10)) > 0) return {};
    OutboxRecord entry;
    entry.id = due_outbox_.string(0);
    entry.plan_id = due_outbox_.string(1);
    entry.action_id = due_outbox_.small_integer(2);
    entry.callback = due_outbox_.string(3);
    entry.data = due_outbox_.string(4);
    entry.request_id = due_outbox_.string(5);
    entry.attempts = due_outbox_.small_integer(6);
    entry.created_at = due_outbox_.time(7);
    entry.next_attempt_at = due_outbox_.time(8);
    entry.last_error = due_outbox_.string(9);
    entry.version = due_outbox_.integer(10);
    entries.push_back(std::move(entry));
    return {};
  });
  if (!done.ok()) return done.error();
  return entries;
}

Result<std::optional<Time>> Reader::next_outbox_time() {
  if (Status started = next_outbox_.start(); !started.ok()) return started.error();
  const Rows rows(next_outbox_);
  const Result<bool> row = next_outbox_.next();
  if (!row.ok()) return row.error();
  return *row ? next_outbox_.optional_time(0) : std::nullopt;
}

Result<std::vector<std::int64_t>> Reader::load_resting(Time before, std::size_t limit) {
  if (Status started = resting_.start(before, static_cast<std::int64_t>(limit)); !started.ok()) return started.error();
  std::vector<std::int64_t> numbers;
  Status done = for_rows(resting_, [&]() -> Status {
    numbers.push_back(resting_.integer(0));
    return {};
  });
  if (!done.ok()) return done.error();
  return numbers;
}

Status Reader::copy(const std::vector<std::int64_t>& numbers, PlanArchive& archive) {
  for (std::size_t i = 0; i < PlanArchive::kTableCount; ++i) {
    const auto table = static_cast<PlanArchive::Table>(i);
    const std::string sql = PlanArchive::query(table, numbers);
    Statement statement(database_, sql.c_str());
    if (Status started = statement.start(); !started.ok()) return started;
    PlanArchive::Row row;
    Status done = for_rows(statement, [&]() -> Status {
      row.clear();
      for (int column = 0; column < statement.column_count(); ++column) {
        row.push_back(statement.is_null(column) ? std::nullopt : std::optional(statement.text(column)));
      }
      return archive.add(table, row);
    });
    if (!done.ok()) return done;
  }
  return {};
}

Result<std::vector<WorldRecord>> Reader::load_worlds() {
  if (Status started = worlds_.start(); !started.ok()) return started.error();
  std::vector<WorldRecord> worlds;
  Status done = for_rows(worlds_, [&]() -> Status {
    worlds.push_back({worlds_.string(0), worlds_.string(1), worlds_.time(2), false});
    return {};
  });
  if (!done.ok()) return done.error();
  return worlds;
}

Result<std::string> Reader::load_secrets(std::string_view plan_id) {
  if (Status started = secrets_.start(plan_id); !started.ok()) return started.error();
  const Rows rows(secrets_);
  const Result<bool> row = secrets_.next();
  if (!row.ok()) return row.error();
  if (!*row) return Error(Code::kNotFound, fmt::format("no secrets are stored for plan {}", plan_id));
  return secrets_.string(0);
}

Result<std::vector<LockRecord>> Reader::load_locks() {
  if (Status started = locks_.start(); !started.ok()) return started.error();
  std::vector<LockRecord> locks;
  Status done = for_rows(locks_, [&]() -> Status {
    locks.push_back({locks_.string(0), locks_.string(1)});
    return {};
  });
  if (!done.ok()) return done.error();
  return locks;
}

Result<CallbackBacklog> Reader::callback_backlog() {
  if (Status started = backlog_.start(); !started.ok()) return started.error();
  CallbackBacklog backlog;
  const Status done = for_rows(backlog_, [&]() -> Status {
    backlog = {backlog_.integer(0), backlog_.integer(1), backlog_.optional_time(2)};
    return {};
  });
  if (!done.ok()) return done.error();
  return backlog;
}

}  // namespace dynflow::persistence
