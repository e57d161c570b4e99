#include "shared/persistence/plan_order.h"

#include <fmt/format.h>

namespace dynflow::persistence {
namespace {

using Column = PlanOrder::Column;

bool may_be_unset(Column column) { return column == Column::kStartedAt || column == Column::kEndedAt; }

std::string_view column_of(Column column) {
  switch (column) {
    case Column::kInserted: return "number";
    case Column::kId: return "id";
    case Column::kLabel: return "label";
    case Column::kState: return "state";
    case Column::kResult: return "result";
    case Column::kStartedAt: return "started_at";
    case Column::kEndedAt: return "ended_at";
    case Column::kExecutionTime: return "execution_time";
    case Column::kRealTime: return "real_time";
  }
  return "number";
}

}  // namespace

std::string order_by(const PageOrder& order) {
  const bool is_backwards = order.before.has_value();
  const bool is_descending = order.is_descending != is_backwards;
  std::string sql = fmt::format(" ORDER BY {}{}", column_of(order.column), is_descending ? " DESC" : "");
  if (may_be_unset(order.column)) sql += is_backwards ? " NULLS FIRST" : " NULLS LAST";
  if (order.column != Column::kInserted) sql += is_backwards ? ", number DESC" : ", number";
  return sql;
}

std::string place_condition(const PageOrder& order, std::string_view key, std::string_view number) {
  const bool is_backwards = order.before.has_value();
  const PlanPlace& place = is_backwards ? *order.before : *order.after;
  const std::string_view column = column_of(order.column);
  const bool goes_up = order.is_descending == is_backwards;
  if (order.column == Column::kInserted) return fmt::format("number {} {}", goes_up ? ">" : "<", number);
  // Unset ones are the last.
  if (std::holds_alternative<std::monostate>(place.key)) {
    return is_backwards ? fmt::format("({} IS NOT NULL OR number < {})", column, number)
                        : fmt::format("({} IS NULL AND number > {})", column, number);
  }
  // Ties are in the order of insertion, whichever way the column goes.
  const std::string_view sign = order.is_descending ? "-" : "";
  std::string sql = fmt::format("({}, {}number) {} ({}, {}{})", column, sign, goes_up ? ">" : "<", key, sign, number);
  if (may_be_unset(order.column) && !is_backwards) sql = fmt::format("({} OR {} IS NULL)", sql, column);
  return sql;
}

}  // namespace dynflow::persistence
