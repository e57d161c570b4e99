#include "shared/runner/turn_queue.h"

#include <algorithm>

namespace dynflow::runner {

void TurnQueue::push(RunnerRequest request) {
  group_of_[request.runner_id] = request.group;
  auto found = by_name_.find(request.group);
  if (found == by_name_.end()) {
    groups_.push_back(Group{request.group, {}});
    found = by_name_.emplace(request.group, std::prev(groups_.end())).first;
  }
  found->second->waiting.push_back(std::move(request));
}

std::optional<RunnerRequest> TurnQueue::pop(const std::function<bool(const std::string& group)>& may_start) {
  for (auto group = groups_.begin(); group != groups_.end(); ++group) {
    if (!may_start(group->name)) continue;
    RunnerRequest next = std::move(group->waiting.front());
    group->waiting.pop_front();
    group_of_.erase(next.runner_id);
    if (group->waiting.empty()) {
      by_name_.erase(group->name);
      groups_.erase(group);
    } else {
      groups_.splice(groups_.end(), groups_, group);  // its turn comes again after the others'
    }
    return next;
  }
  return std::nullopt;
}

std::optional<RunnerRequest> TurnQueue::take(std::string_view runner_id) {
  const auto known = group_of_.find(std::string(runner_id));
  if (known == group_of_.end()) return std::nullopt;
  const auto group = by_name_.find(known->second)->second;
  auto& waiting = group->waiting;
  const auto found =
      std::find_if(waiting.begin(), waiting.end(), [&](const RunnerRequest& r) { return r.runner_id == runner_id; });
  RunnerRequest taken = std::move(*found);
  waiting.erase(found);
  group_of_.erase(known);
  if (waiting.empty()) {
    by_name_.erase(group->name);
    groups_.erase(group);
  }
  return taken;
}

}  // namespace dynflow::runner
