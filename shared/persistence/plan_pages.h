// Long lists of plans, a page at a time: what comes before a page is not read for it, and what changes there does not shift it.
//
// An interface of its own beside Store: it is for people who look at lists, the engine does without.
//
// Threads: everything may be called from any thread; find_page() blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shared/base/result.h"
#include "shared/persistence/records.h"

namespace dynflow::persistence {

class Store;

// Where a plan stands in an ordered list, also when it has changed or gone since.
struct PlanPlace {
  // What the list is ordered by; nothing: a time that is not set, or a list in the order of insertion.
  using Key = std::variant<std::monostate, std::int64_t, double, std::string>;
  Key key;
  std::int64_t number = 0;  // of the plan, in the order of insertion
  bool operator==(const PlanPlace&) const = default;
};

// Ties are in the order of insertion; times that are not set come last.
struct PageOrder {
  PlanOrder::Column column = PlanOrder::Column::kInserted;
  bool is_descending = false;
  std::size_t limit = 0;  // 0 = all
  // The first plans behind that place, or the last ones before it, in the same order. At most one of them.
  std::optional<PlanPlace> after{};
  std::optional<PlanPlace> before{};
};

struct ListedPlan {
  PlanRecord plan;  // without steps, actions and flows
  PlanPlace place;
};

// Whether such a place can be one of that order: the key is of the column's type.
bool is_place_of(const PlanPlace& place, PlanOrder::Column column);
// `number`: that of the plan.
PlanPlace place_of(const PlanRecord& plan, std::int64_t number, PlanOrder::Column column);

// The plans of a page, without their places.
std::vector<PlanRecord> plans_of(std::vector<ListedPlan> page);

class PlanPages {
 public:
  virtual ~PlanPages() = default;
  // Errors: those of Store's reads.
  virtual Result<std::vector<ListedPlan>> find_page(const PlanFilter& filter, const PageOrder& order) = 0;
};

// Those of a store; null when it has none.
PlanPages* pages_of(Store& store);

}  // namespace dynflow::persistence
