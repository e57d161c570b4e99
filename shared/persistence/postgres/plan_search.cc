// Reader::find_plans and its count: statements made of what is asked for.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <list>

#include "shared/log/log.h"
#include "shared/persistence/encoding.h"
#include "shared/persistence/plan_order.h"
#include "shared/persistence/postgres/reader.h"

namespace dynflow::persistence::postgres {
namespace {

// Conditions and their values. Their number and kind make the statement, never their contents.
class Conditions {
 public:
  // "<condition> <the value as `type`>"
  template <class Value>
  void add(std::string_view condition, std::string_view type, const Value& value) {
    add_text(fmt::format("{} {}", condition, parameter(type, value)));
  }
  // What stands for `value` in a condition.
  template <class Value>
  std::string parameter(std::string_view type, const Value& value) {
    parameters_.emplace_back(value);
    return fmt::format("${}::{}", ++count_, type);
  }
  void add_text(std::string_view condition) {
    sql_ += sql_.empty() ? " WHERE " : " AND ";
    sql_ += condition;
  }
  template <class List, class ToText>
  void add_list(std::string_view column, const std::optional<List>& list, ToText to_text) {
    if (!list) return;
    Column& texts = lists_.emplace_back('t');
    for (const auto& item : *list) texts.add(to_text(item));
    add_text(fmt::format("{} = ANY(${}::text[])", column, ++count_));
    parameters_.emplace_back(texts);
  }
  const std::string& sql() const { return sql_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }

 private:
  std::string sql_;
  int count_ = 0;
  std::list<Column> lists_;  // parameters are views of them
  std::vector<Parameter> parameters_;
};

void add_conditions(Conditions& conditions, const PlanFilter& filter) {
  const auto as_is = [](const std::string& text) -> std::string_view { return text; };
  conditions.add_list("id", filter.ids, as_is);
  conditions.add_list("state", filter.states, [](PlanState state) { return to_string(state); });
  conditions.add_list("result", filter.results, [](PlanResult result) { return to_string(result); });
  conditions.add_list("label", filter.labels, as_is);
  if (filter.caller_plan_id) {
    conditions.add("caller_plan_id <> '' AND caller_plan_id =", "text", *filter.caller_plan_id);
  }
  if (filter.caller_action_id) {
    conditions.add("caller_plan_id <> '' AND caller_action_id =", "bigint", *filter.caller_action_id);
  }
  if (filter.is_delayed) {
    conditions.add_text(fmt::format("{}EXISTS (SELECT 1 FROM delayed_plans d WHERE d.plan = plans.number)",
                                    *filter.is_delayed ? "" : "NOT "));
  }
  if (filter.ended_after) conditions.add("ended_at >=", "bigint", *filter.ended_after);
}

void add_place(Conditions& conditions, const PageOrder& order) {
  if (!order.after && !order.before) return;
  const PlanPlace& place = order.before ? *order.before : *order.after;
  std::string key;
  if (const auto* integer = std::get_if<std::int64_t>(&place.key)) key = conditions.parameter("bigint", *integer);
  if (const auto* real = std::get_if<double>(&place.key)) key = conditions.parameter("double precision", *real);
  if (const auto* text = std::get_if<std::string>(&place.key)) key = conditions.parameter("text", *text);
  const std::string number = conditions.parameter("bigint", place.number);
  conditions.add_text(place_condition(order, key, number));
}

// A row for people: damage must not hide the other plans.
PlanRecord read_summary(const Rows& rows, int row) {
  PlanRecord plan;
  plan.id = rows.string(row, 0);
  const auto state = parse_plan_state(rows.text(row, 1));
  const auto result = parse_plan_result(rows.text(row, 2));
  plan.state = state.value_or(PlanState::kPaused);
  plan.result = result.value_or(PlanResult::kError);
  if (!state || !result) log::error({.task_id = plan.id}, "the stored state of this plan is damaged");
  plan.label = rows.string(row, 3);
  plan.root_plan_step_id = rows.small_integer(row, 4);
  plan.started_at = rows.optional_time(row, 5);
  plan.ended_at = rows.optional_time(row, 6);
  plan.execution_time = rows.real(row, 7);
  plan.real_time = rows.real(row, 8);
  Result<std::vector<HistoryEntry>> history = decode_history(rows.text(row, 9));
  if (history.ok()) {
    plan.history = std::move(*history);
  } else {
    log::error({.task_id = plan.id}, "{}", history.error().message());
  }
  plan.request_digest = rows.string(row, 10);
  plan.owner = rows.string(row, 11);
  return plan;
}

}  // namespace

Result<std::vector<PlanRecord>> Reader::find_plans(const PlanFilter& filter, const PlanOrder& order) {
  auto listed = list_plans(filter, {order.column, order.is_descending, order.limit}, order.offset);
  if (!listed.ok()) return listed.error();
  return plans_of(std::move(*listed));
}

Result<std::vector<ListedPlan>> Reader::list_plans(const PlanFilter& filter, const PageOrder& order, std::size_t offset) {
  Conditions conditions;
  add_conditions(conditions, filter);
  add_place(conditions, order);
  std::string sql =
      "SELECT id, state, result, label, root_plan_step_id, started_at, ended_at, execution_time, real_time, history,"
      " request_digest, owner, number FROM plans" + conditions.sql() + order_by(order);
  if (offset > 0) fmt::format_to(std::back_inserter(sql), " OFFSET {}", offset);
  if (order.limit > 0) fmt::format_to(std::back_inserter(sql), " LIMIT {}", order.limit);
  const auto answers = pool_.with([&](Connection& connection) {
    connection.queue_text(sql, conditions.parameters());
    return connection.run(ConnectionPool::deadline());
  });
  if (!answers.ok()) return answers.error();
  const Rows& rows = answers->front();
  std::vector<ListedPlan> plans;
  for (int row = 0; row < rows.count(); ++row) {
    PlanRecord plan = read_summary(rows, row);
    PlanPlace place = place_of(plan, rows.integer(row, 12), order.column);
    plans.push_back({std::move(plan), std::move(place)});
  }
  if (order.before) std::reverse(plans.begin(), plans.end());
  return plans;
}

Result<std::int64_t> Reader::count_plans(const PlanFilter& filter) {
  Conditions conditions;
  add_conditions(conditions, filter);
  const std::string sql = "SELECT count(*) FROM plans" + conditions.sql();
  const auto answers = pool_.with([&](Connection& connection) {
    connection.queue_text(sql, conditions.parameters());
    return connection.run(ConnectionPool::deadline());
  });
  if (!answers.ok()) return answers.error();
  return answers->front().integer(0, 0);
}

}  // namespace dynflow::persistence::postgres
