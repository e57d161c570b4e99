#include "shared/engine/queues.h"

namespace dynflow::engine {

std::optional<Queue::Slot> Queue::take(Granted granted) {
  const std::lock_guard lock(mutex_);
  if (at_work_ < options_.pool_size) {
    ++at_work_;
    return Slot(shared_from_this());
  }
  waiting_.push_back(std::move(granted));
  return std::nullopt;
}

void Queue::release() {
  for (bool is_taken = false; !is_taken;) {
    Granted next;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        --at_work_;
        return;
      }
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    is_taken = next(shared_from_this());
  }
}

bool Queue::is_full() const {
  if (options_.max_waiting == 0) return false;
  const std::lock_guard lock(mutex_);
  return waiting_.size() >= options_.max_waiting;
}

QueueStatus Queue::status() const {
  const std::lock_guard lock(mutex_);
  return {options_.name, options_.pool_size, options_.pool_size - at_work_, waiting_.size()};
}

Result<Queues> Queues::make(std::vector<QueueOptions> options) {
  Queues made;
  for (QueueOptions& each : options) {
    const std::string name = each.name;
    if (!made.queues_.emplace(name, std::make_shared<Queue>(std::move(each))).second) {
      return Error(Code::kConflict, "queue '" + name + "' is configured twice");
    }
  }
  auto& fallback = made.queues_[std::string(kDefaultQueue)];
  if (!fallback) fallback = std::make_shared<Queue>(QueueOptions{std::string(kDefaultQueue), 0, 0});
  made.default_ = fallback;
  return made;
}

Queue& Queues::find(std::string_view name) const {
  if (queues_.size() == 1) return *default_;
  const auto found = queues_.find(name);
  return found == queues_.end() ? *default_ : *found->second;
}

std::vector<QueueStatus> Queues::status() const {
  std::vector<QueueStatus> all;
  for (const auto& [_, queue] : queues_) all.push_back(queue->status());
  return all;
}

}  // namespace dynflow::engine
