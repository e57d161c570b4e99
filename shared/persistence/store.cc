#include "shared/persistence/store.h"

#include <future>
#include <iterator>

namespace dynflow::persistence {

void WriteBatch::add(WriteBatch other) {
  if (changes_.empty()) {
    changes_ = std::move(other.changes_);
    return;
  }
  changes_.insert(changes_.end(), std::make_move_iterator(other.changes_.begin()),
                  std::make_move_iterator(other.changes_.end()));
}

Status Store::commit(WriteBatch batch, Durability durability) {
  // The promise is shared: set_value() may still touch it when the waiter has already gone on.
  const auto done = std::make_shared<std::promise<Status>>();
  std::future<Status> result = done->get_future();
  submit(std::move(batch), durability, [done](Status status) { done->set_value(std::move(status)); });
  return result.get();
}

}  // namespace dynflow::persistence
