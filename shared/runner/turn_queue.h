// Runners that wait for a place, taken in turn from the groups they belong to; first come, first served within a group.
//
// Threads: one user at a time. Cost: pop looks at each group at most once.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "shared/runner/runner.h"

namespace dynflow::runner {

class TurnQueue {
 public:
  void push(RunnerRequest request);
  // The next runner of the next group that `may_start` lets through; nothing when there is none.
  std::optional<RunnerRequest> pop(const std::function<bool(const std::string& group)>& may_start);
  // Takes out one runner wherever it stands.
  std::optional<RunnerRequest> take(std::string_view runner_id);
  bool empty() const { return groups_.empty(); }

 private:
  struct Group {
    std::string name;
    std::deque<RunnerRequest> waiting;
  };
  using Groups = std::list<Group>;  // never holds an empty group; the front's turn is next

  Groups groups_;
  std::unordered_map<std::string, Groups::iterator> by_name_;
  std::unordered_map<std::string, std::string> group_of_;  // runner id -> group
};

}  // namespace dynflow::runner
