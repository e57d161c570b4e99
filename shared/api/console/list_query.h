// What a list of plans is asked for, as the query of its address.
//
//   state=running&state=paused  result=error  label=...  id=...  caller=...  caller_action=2   which plans
//   order_by=started_at  desc=true  per_page=50                               in which order
//   after=... before=...                                                      from where (made by us)
//
// Upstream's spelling is understood, too: filters[state][]=running. Without any of the filters the list is that of plans
// that are not stopped; `filter=1` means that none is meant.
//
// Threads: values and pure functions.
#pragma once

#include <string>

#include "shared/base/result.h"
#include "shared/http/message.h"
#include "shared/persistence/plan_pages.h"

namespace dynflow::api::console {

struct ListQuery {
  persistence::PlanFilter filter;
  persistence::PageOrder order;  // newest first unless it says otherwise
  bool is_live = false;
};

inline constexpr std::size_t kPlansOnPage = 50;
inline constexpr std::size_t kMostPlansOnPage = 1000;

// Errors: kInvalid with what is wrong.
Result<ListQuery> read_list_query(const http::Request& request);
// The query that means the same, with its question mark.
std::string query_of(const ListQuery& query);

// The name of a column in queries; empty for the order of insertion.
std::string_view name_of(persistence::PlanOrder::Column column);

}  // namespace dynflow::api::console
