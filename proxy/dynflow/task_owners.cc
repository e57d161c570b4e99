#include "proxy/dynflow/task_owners.h"

#include <unordered_set>

namespace dynflow::proxy {

void TaskOwners::remember(const std::string& id, Side side, const std::string& task_id) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_id_.find(id); found != by_id_.end()) {
    found->second->owner = {side, task_id};
    order_.splice(order_.begin(), order_, found->second);
    return;
  }
  order_.push_front({id, {side, task_id}});
  by_id_.emplace(order_.front().id, order_.begin());
  if (order_.size() <= capacity_) return;
  by_id_.erase(order_.back().id);
  order_.pop_back();
}

std::optional<TaskOwners::Owner> TaskOwners::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::nullopt;
  return found->second->owner;
}

void TaskOwners::forget(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const auto entry = found->second;
  by_id_.erase(found);
  order_.erase(entry);
}

std::vector<std::string> TaskOwners::of(Side side, std::size_t limit) const {
  std::vector<std::string> ids;
  std::unordered_set<std::string_view> seen;
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : order_) {
    if (ids.size() == limit) break;
    if (entry.owner.side == side && seen.insert(entry.owner.task_id).second) ids.push_back(entry.owner.task_id);
  }
  return ids;
}

}  // namespace dynflow::proxy
