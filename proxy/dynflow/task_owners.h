// Which side has a task, as far as it was seen: the last ones, bounded. Only what a side said itself gets in.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/dynflow/mode_states.h"

namespace dynflow::proxy {

class TaskOwners {
 public:
  struct Owner {
    Side side;
    // The id under which that side has it: cores before 0.6 make ids of their own, and answer a launch with them.
    std::string task_id;
  };

  explicit TaskOwners(std::size_t capacity = 50'000) : capacity_(capacity) {}

  // Of several ids for one task, `id` is the one that clients may ask with.
  void remember(const std::string& id, Side side, const std::string& task_id);
  void remember(const std::string& id, Side side) { remember(id, side, id); }
  std::optional<Owner> find(const std::string& id) const;
  void forget(const std::string& id);
  // Task ids of a side, the last seen first, each once, at most `limit`.
  std::vector<std::string> of(Side side, std::size_t limit) const;

 private:
  struct Entry {
    std::string id;
    Owner owner;
  };
  using Order = std::list<Entry>;

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  Order order_;  // the last seen first
  std::unordered_map<std::string_view, Order::iterator> by_id_;  // keys are those in order_
};

}  // namespace dynflow::proxy
