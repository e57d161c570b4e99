// Reader's queries about delayed plans.
#include <fmt/format.h>

#include "shared/persistence/postgres/reader.h"

namespace dynflow::persistence::postgres {
namespace {

// A union, because OR would walk all that lies in the future.
constexpr Statement kReadySql{
    "SELECT p.id, d.start_at, d.start_before, d.is_frozen, d.serializer, d.args, ARRAY(SELECT n.prerequisite FROM"
    " dependencies n WHERE n.plan = d.plan ORDER BY 1) FROM delayed_plans d JOIN plans p ON p.number = d.plan"
    " WHERE d.plan IN (SELECT plan FROM delayed_plans WHERE NOT is_frozen AND start_at IS NULL"
    " UNION ALL SELECT plan FROM delayed_plans WHERE NOT is_frozen AND start_at <= $1::bigint"
    " UNION ALL SELECT plan FROM delayed_plans WHERE NOT is_frozen AND start_before IS NOT NULL AND start_before <= $1::bigint)"
    " AND NOT EXISTS (SELECT 1 FROM dependencies n JOIN plans b ON b.id = n.prerequisite"
    " WHERE n.plan = d.plan AND n.state IS NULL AND b.state <> 'stopped')"
    " ORDER BY d.start_at NULLS FIRST, d.plan LIMIT $2::bigint"};
constexpr Statement kOneSql{
    "SELECT p.id, d.start_at, d.start_before, d.is_frozen, d.serializer, d.args, ARRAY(SELECT n.prerequisite FROM"
    " dependencies n WHERE n.plan = d.plan ORDER BY 1) FROM plans p JOIN delayed_plans d ON d.plan = p.number"
    " WHERE p.id = $1"};
constexpr Statement kNextSql{
    "SELECT min(time) FROM (SELECT min(start_at) AS time FROM delayed_plans WHERE NOT is_frozen AND start_at > $1::bigint"
    " UNION ALL SELECT min(start_before) FROM delayed_plans WHERE NOT is_frozen AND start_before IS NOT NULL"
    " AND start_before > $1::bigint) AS times"};
constexpr Statement kPrerequisitesSql{
    "SELECT n.prerequisite, coalesce(n.state, b.state, ''), coalesce(n.result, b.result, '') FROM plans p"
    " JOIN dependencies n ON n.plan = p.number LEFT JOIN plans b ON b.id = n.prerequisite WHERE p.id = $1"
    " ORDER BY n.prerequisite"};
constexpr Statement kDependentsSql{
    "SELECT p.id FROM dependencies n JOIN plans p ON p.number = n.plan WHERE n.prerequisite = $1 AND n.state IS NULL"
    " ORDER BY p.number"};

DelayedRecord read_delayed(const Rows& rows, int row) {
  DelayedRecord delayed;
  delayed.plan_id = rows.string(row, 0);
  delayed.start_at = rows.optional_time(row, 1);
  delayed.start_before = rows.optional_time(row, 2);
  delayed.is_frozen = rows.boolean(row, 3);
  delayed.serializer = rows.string(row, 4);
  delayed.args = rows.string(row, 5);
  delayed.blocked_by = rows.text_array(row, 6);
  return delayed;
}

}  // namespace

Result<std::vector<DelayedRecord>> Reader::load_ready_delayed(Time now, std::size_t limit) {
  const Result<Rows> rows = pool_.run(kReadySql, now, static_cast<std::int64_t>(limit));
  if (!rows.ok()) return rows.error();
  std::vector<DelayedRecord> ready;
  for (int row = 0; row < rows->count(); ++row) ready.push_back(read_delayed(*rows, row));
  return ready;
}

Result<DelayedRecord> Reader::load_delayed(std::string_view plan_id) {
  const Result<Rows> rows = pool_.run(kOneSql, plan_id);
  if (!rows.ok()) return rows.error();
  if (rows->count() == 0) return Error(Code::kNotFound, fmt::format("plan {} is not delayed", plan_id));
  return read_delayed(*rows, 0);
}

Result<std::optional<Time>> Reader::next_delayed_time(Time now) {
  const Result<Rows> rows = pool_.run(kNextSql, now);
  if (!rows.ok()) return rows.error();
  return rows->optional_time(0, 0);
}

Result<std::vector<Prerequisite>> Reader::load_prerequisites(std::string_view plan_id) {
  const Result<Rows> rows = pool_.run(kPrerequisitesSql, plan_id);
  if (!rows.ok()) return rows.error();
  std::vector<Prerequisite> prerequisites;
  for (int row = 0; row < rows->count(); ++row) {
    // What cannot be read has not succeeded.
    prerequisites.push_back({rows->string(row, 0), parse_plan_state(rows->text(row, 1)).value_or(PlanState::kPaused),
                             parse_plan_result(rows->text(row, 2)).value_or(PlanResult::kError)});
  }
  return prerequisites;
}

Result<std::vector<std::string>> Reader::load_dependents(std::string_view plan_id) {
  const Result<Rows> rows = pool_.run(kDependentsSql, plan_id);
  if (!rows.ok()) return rows.error();
  return rows->first_texts();
}

}  // namespace dynflow::persistence::postgres
