// SQL for searches of plans.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/persistence/records.h"
#include "shared/persistence/sqlite/database.h"

namespace dynflow::persistence {

struct PlanSearch {
  std::string sql;
  std::vector<Statement::Value> values;
};

// `columns` of the plans that the filter names, in the order asked for. The length of its lists is not part of the SQL.
PlanSearch search_plans(std::string_view columns, const PlanFilter& filter, const PlanOrder& order);
PlanSearch count_plans_of(const PlanFilter& filter);

}  // namespace dynflow::persistence
