// The order of lists of plans as SQL, which is the same in both backends.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "shared/persistence/plan_pages.h"

namespace dynflow::persistence {

// " ORDER BY ..." With `before` the rows come in the opposite order.
std::string order_by(const PageOrder& order);
// The condition that leaves only what is behind or before the place that `order` has. `key` and `number` stand for the place's values,
// once each and in that order, `key` only where the place has one.
std::string place_condition(const PageOrder& order, std::string_view key, std::string_view number);

}  // namespace dynflow::persistence
