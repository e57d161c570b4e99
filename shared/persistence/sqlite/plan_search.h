// SQL for searches of plans.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/persistence/plan_pages.h"
#include "shared/persistence/sqlite/database.h"

namespace dynflow::persistence {

struct PlanSearch {
  std::string sql;
  std::vector<Statement::Value> values;
};

// `columns` of the plans that the filter names, in the order asked for (with `before`: in the opposite one). The length of its lists is
// not part of the SQL.
PlanSearch search_page(std::string_view columns, const PlanFilter& filter, const PageOrder& order, std::size_t offset = 0);
PlanSearch count_plans_of(const PlanFilter& filter);

}  // namespace dynflow::persistence
