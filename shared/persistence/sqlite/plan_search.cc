#include "shared/persistence/sqlite/plan_search.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "shared/json/json.h"

namespace dynflow::persistence {
namespace {

// Builds the conditions; SQLite numbers the parameters in the order of the values.
class Conditions {
 public:
  explicit Conditions(PlanSearch& search) : search_(search) {}

  void add(std::string_view condition) {
    search_.sql += is_first_ ? " WHERE " : " AND ";
    search_.sql += condition;
    is_first_ = false;
  }
  void add(std::string_view condition, Statement::Value value) {
    add(condition);
    search_.values.push_back(std::move(value));
  }
  template <class List, class ToText>
  void add_list(std::string_view column, const std::optional<List>& list, ToText to_text) {
    if (!list) return;
    Json texts = Json::array();
    for (const auto& item : *list) texts.push_back(std::string(to_text(item)));
    add(fmt::format("{} IN (SELECT value FROM json_each(?))", column), json::dump(texts));
  }

 private:
  PlanSearch& search_;
  bool is_first_ = true;
};

void add_conditions(PlanSearch& search, const PlanFilter& filter) {
  const auto as_is = [](const std::string& text) -> std::string_view { return text; };
  Conditions conditions(search);
  conditions.add_list("id", filter.ids, as_is);
  conditions.add_list("state", filter.states, [](PlanState state) { return to_string(state); });
  conditions.add_list("result", filter.results, [](PlanResult result) { return to_string(result); });
  conditions.add_list("label", filter.labels, as_is);
  if (filter.caller_plan_id) {
    conditions.add("caller_plan_id = ? AND caller_plan_id <> ''", *filter.caller_plan_id);
  }
  if (filter.caller_action_id) {
    conditions.add(
        "caller_plan_id <> '' AND EXISTS (SELECT 1 FROM actions a WHERE a.plan = plans.number AND"
        " a.caller_plan_id <> '' AND a.caller_action_id = ?)",
        std::int64_t{*filter.caller_action_id});
  }
  if (filter.is_delayed) {
    conditions.add(fmt::format("{}EXISTS (SELECT 1 FROM delayed_plans d WHERE d.plan = plans.number)",
                               *filter.is_delayed ? "" : "NOT "));
  }
  if (filter.ended_after) {
    conditions.add("ended_at >= ?", std::int64_t{filter.ended_after->time_since_epoch().count()});
  }
}

std::string_view column_of(PlanOrder::Column column) {
  switch (column) {
    case PlanOrder::Column::kInserted: return "number";
    case PlanOrder::Column::kId: return "id";
    case PlanOrder::Column::kLabel: return "label";
    case PlanOrder::Column::kState: return "state";
    case PlanOrder::Column::kResult: return "result";
    case PlanOrder::Column::kStartedAt: return "started_at";
    case PlanOrder::Column::kEndedAt: return "ended_at";
    case PlanOrder::Column::kExecutionTime: return "execution_time";
    case PlanOrder::Column::kRealTime: return "real_time";
  }
  return "number";
}

}  // namespace

PlanSearch search_plans(std::string_view columns, const PlanFilter& filter, const PlanOrder& order) {
  PlanSearch search{fmt::format("SELECT {} FROM plans", columns), {}};
  add_conditions(search, filter);
  const bool may_be_unset = order.column == PlanOrder::Column::kStartedAt || order.column == PlanOrder::Column::kEndedAt;
  fmt::format_to(std::back_inserter(search.sql), " ORDER BY {}{}{}, number LIMIT ? OFFSET ?", column_of(order.column),
                 order.is_descending ? " DESC" : "", may_be_unset ? " NULLS LAST" : "");
  const std::int64_t all = -1;  // SQLite's word for no limit
  search.values.emplace_back(order.limit == 0 ? all : static_cast<std::int64_t>(order.limit));
  search.values.emplace_back(static_cast<std::int64_t>(order.offset));
  return search;
}

PlanSearch count_plans_of(const PlanFilter& filter) {
  PlanSearch search{"SELECT count(*) FROM plans", {}};
  add_conditions(search, filter);
  return search;
}

}  // namespace dynflow::persistence
