// Callbacks that are due, for those who have some of them already.
//
// An interface of its own beside Store.
//
// Threads: everything may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/persistence/records.h"

namespace dynflow::persistence {

class Store;

class DueCallbacks {
 public:
  virtual ~DueCallbacks() = default;
  // As Store::load_due_outbox(), without the entries of the versions `under_way`; those do not count towards the limit.
  virtual Result<std::vector<OutboxRecord>> load_due_callbacks(Time now, std::size_t limit,
                                                               const std::vector<std::int64_t>& under_way) = 0;
};

// Those of a store; every store has them.
DueCallbacks& due_callbacks_of(Store& store);

}  // namespace dynflow::persistence
