#include "shared/persistence/store_numbers.h"

#include "shared/persistence/store.h"

namespace dynflow::persistence {

void note(StoreNumbers& numbers, std::size_t changes, const std::vector<Status>& outcomes, Duration took) {
  numbers.commits.observe(took);
  numbers.changes.add(changes);
  numbers.batches.add(outcomes.size());
  for (const Status& outcome : outcomes) {
    if (!outcome.ok()) numbers.failed_batches.add();
  }
}

Watched* watched(Store& store) { return dynamic_cast<Watched*>(&store); }

}  // namespace dynflow::persistence
