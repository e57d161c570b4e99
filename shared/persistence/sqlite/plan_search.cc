#include "shared/persistence/sqlite/plan_search.h"

#include <fmt/format.h>

#include <utility>

#include "shared/json/json.h"
#include "shared/persistence/plan_order.h"

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

void add_conditions(Conditions& conditions, const PlanFilter& filter) {
  const auto as_is = [](const std::string& text) -> std::string_view { return text; };
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

void add_place(PlanSearch& search, Conditions& conditions, const PageOrder& order) {
  if (!order.after && !order.before) return;
  const PlanPlace& place = order.before ? *order.before : *order.after;
  conditions.add(place_condition(order, "?", "?"));
  if (const auto* integer = std::get_if<std::int64_t>(&place.key)) search.values.emplace_back(*integer);
  if (const auto* real = std::get_if<double>(&place.key)) search.values.emplace_back(*real);
  if (const auto* text = std::get_if<std::string>(&place.key)) search.values.emplace_back(*text);
  search.values.emplace_back(place.number);
}

}  // namespace

PlanSearch search_page(std::string_view columns, const PlanFilter& filter, const PageOrder& order, std::size_t offset) {
  PlanSearch search{fmt::format("SELECT {} FROM plans", columns), {}};
  Conditions conditions(search);
  add_conditions(conditions, filter);
  add_place(search, conditions, order);
  search.sql += order_by(order);
  search.sql += " LIMIT ? OFFSET ?";
  const std::int64_t all = -1;  // SQLite's word for no limit
  search.values.emplace_back(order.limit == 0 ? all : static_cast<std::int64_t>(order.limit));
  search.values.emplace_back(static_cast<std::int64_t>(offset));
  return search;
}

PlanSearch count_plans_of(const PlanFilter& filter) {
  PlanSearch search{"SELECT count(*) FROM plans", {}};
  Conditions conditions(search);
  add_conditions(conditions, filter);
  return search;
}

}  // namespace dynflow::persistence
