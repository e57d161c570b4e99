#include "shared/persistence/sqlite/delayed_reader.h"

#include <fmt/format.h>

#include <utility>

namespace dynflow::persistence {

Result<std::vector<DelayedRecord>> DelayedReader::load_ready(Time now, std::size_t limit) {
  if (Status started = ready_.start(now, static_cast<std::int64_t>(limit)); !started.ok()) return started.error();
  std::vector<DelayedRecord> ready;
  Status done = for_rows(ready_, [&]() -> Status {
    Result<DelayedRecord> delayed = read(ready_);
    if (!delayed.ok()) return delayed.error();
    ready.push_back(std::move(*delayed));
    return {};
  });
  if (!done.ok()) return done.error();
  return ready;
}

Result<DelayedRecord> DelayedReader::load(std::string_view plan_id) {
  if (Status started = one_.start(plan_id); !started.ok()) return started.error();
  const Rows rows(one_);
  const Result<bool> row = one_.next();
  if (!row.ok()) return row.error();
  if (!*row) return Error(Code::kNotFound, fmt::format("plan {} is not delayed", plan_id));
  return read(one_);
}

Result<DelayedRecord> DelayedReader::read(const Statement& row) {
  DelayedRecord delayed;
  delayed.plan_id = row.string(1);
  delayed.start_at = row.optional_time(2);
  delayed.start_before = row.optional_time(3);
  delayed.is_frozen = row.integer(4) != 0;
  delayed.serializer = row.string(5);
  delayed.args = row.string(6);
  if (Status started = prerequisite_ids_.start(row.integer(0)); !started.ok()) return started.error();
  Status done = for_rows(prerequisite_ids_, [&]() -> Status {
    delayed.blocked_by.push_back(prerequisite_ids_.string(0));
    return {};
  });
  if (!done.ok()) return done.error();
  return delayed;
}

Result<std::optional<Time>> DelayedReader::next_time(Time now) {
  if (Status started = next_.start(now); !started.ok()) return started.error();
  const Rows rows(next_);
  const Result<bool> row = next_.next();
  if (!row.ok()) return row.error();
  return *row ? next_.optional_time(0) : std::nullopt;
}

Result<std::vector<Prerequisite>> DelayedReader::load_prerequisites(std::string_view plan_id) {
  if (Status started = prerequisites_.start(plan_id); !started.ok()) return started.error();
  std::vector<Prerequisite> prerequisites;
  Status done = for_rows(prerequisites_, [&]() -> Status {
    // What cannot be read has not succeeded.
    prerequisites.push_back({prerequisites_.string(0),
                             parse_plan_state(prerequisites_.text(1)).value_or(PlanState::kPaused),
                             parse_plan_result(prerequisites_.text(2)).value_or(PlanResult::kError)});
    return {};
  });
  if (!done.ok()) return done.error();
  return prerequisites;
}

Result<std::vector<std::string>> DelayedReader::load_dependents(std::string_view plan_id) {
  if (Status started = dependents_.start(plan_id); !started.ok()) return started.error();
  std::vector<std::string> ids;
  Status done = for_rows(dependents_, [&]() -> Status {
    ids.push_back(dependents_.string(0));
    return {};
  });
  if (!done.ok()) return done.error();
  return ids;
}

}  // namespace dynflow::persistence
