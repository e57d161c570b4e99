#include "shared/persistence/plan_pages.h"

#include <utility>

#include "shared/persistence/store.h"

namespace dynflow::persistence {
namespace {

using Column = PlanOrder::Column;

PlanPlace::Key key_of(const std::optional<Time>& time) {
  if (!time) return {};
  return std::int64_t{time->time_since_epoch().count()};
}

}  // namespace

PlanPlace place_of(const PlanRecord& plan, std::int64_t number, Column column) {
  const auto key = [&]() -> PlanPlace::Key {
    switch (column) {
      case Column::kInserted: return {};
      case Column::kId: return plan.id;
      case Column::kLabel: return plan.label;
      case Column::kState: return std::string(to_string(plan.state));
      case Column::kResult: return std::string(to_string(plan.result));
      case Column::kStartedAt: return key_of(plan.started_at);
      case Column::kEndedAt: return key_of(plan.ended_at);
      case Column::kExecutionTime: return plan.execution_time;
      case Column::kRealTime: return plan.real_time;
    }
    return {};
  };
  return {key(), number};
}

bool is_place_of(const PlanPlace& place, Column column) {
  switch (column) {
    case Column::kInserted: return std::holds_alternative<std::monostate>(place.key);
    case Column::kId:
    case Column::kLabel:
    case Column::kState:
    case Column::kResult: return std::holds_alternative<std::string>(place.key);
    case Column::kStartedAt:
    case Column::kEndedAt: return std::holds_alternative<std::monostate>(place.key) || std::holds_alternative<std::int64_t>(place.key);
    case Column::kExecutionTime:
    case Column::kRealTime: return std::holds_alternative<double>(place.key);
  }
  return false;
}

std::vector<PlanRecord> plans_of(std::vector<ListedPlan> page) {
  std::vector<PlanRecord> plans;
  plans.reserve(page.size());
  for (ListedPlan& one : page) plans.push_back(std::move(one.plan));
  return plans;
}

PlanPages* pages_of(Store& store) { return dynamic_cast<PlanPages*>(&store); }

}  // namespace dynflow::persistence
