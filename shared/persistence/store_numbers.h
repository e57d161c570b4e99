// What a store tells about its own work, for those who watch it.
//
// An interface of its own beside Store: the engine does without.
//
// Threads: everything may be called from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/metrics/numbers.h"

namespace dynflow::persistence {

class Store;

struct StoreNumbers {
  metrics::Histogram commits{metrics::kQuick};  // of a group of batches, from its begin until it is durable or has failed
  metrics::Counter batches;                     // that were given to the database
  metrics::Counter failed_batches;              // of them: that changed nothing
  metrics::Counter changes;                     // in batches
  metrics::Histogram reads{metrics::kQuick};    // how long a connection was lent for reading
};

// A group of batches was written: what became of each.
void note(StoreNumbers& numbers, std::size_t changes, const std::vector<Status>& outcomes, Duration took);

// Callbacks that wait for their delivery.
struct CallbackBacklog {
  std::int64_t waiting = 0;
  std::int64_t abandoned = 0;      // given up, and their plans not cleaned yet
  std::optional<Time> oldest{};    // when the first of those that wait was put
};

class Watched {
 public:
  virtual ~Watched() = default;
  virtual const StoreNumbers& numbers() const = 0;
  // Changes that wait to be written.
  virtual std::size_t waiting_changes() const = 0;
  // Blocks. Cost: an index of the callbacks that there are is read. Errors: those of Store's reads.
  virtual Result<CallbackBacklog> callback_backlog() = 0;
};

// That of a store; null when it tells nothing.
Watched* watched(Store& store);

}  // namespace dynflow::persistence
