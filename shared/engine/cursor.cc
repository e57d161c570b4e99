#include "shared/engine/cursor.h"

#include <utility>

namespace dynflow::engine {

Cursor::Cursor(const Flow& flow, std::function<bool(int)> is_finished) : is_finished_(std::move(is_finished)) {
  add(flow, {});
}

Cursor::Cursor(const Flow& flow, const StepOrder& order, std::function<bool(int)> is_finished)
    : is_finished_(std::move(is_finished)) {
  for (const int step_id : flow.step_ids()) add_node(step_id);
  for (const auto& [step_id, waits_for] : order) {
    for (const int before : waits_for) link(node_of_step_.at(before), node_of_step_.at(step_id));
  }
}

int Cursor::add_node(int step_id) {
  const int index = static_cast<int>(nodes_.size());
  nodes_.push_back({step_id, {}, 0});
  if (step_id > 0) node_of_step_[step_id] = index;
  return index;
}

void Cursor::link(int before, int after) {
  nodes_[static_cast<std::size_t>(before)].next.push_back(after);
  ++nodes_[static_cast<std::size_t>(after)].waits_for;
}

std::vector<int> Cursor::add(const Flow& flow, std::vector<int> before) {
  switch (flow.kind()) {
    case Flow::Kind::kStep: {
      const int node = add_node(flow.step_id());
      for (const int each : before) link(each, node);
      return {node};
    }
    case Flow::Kind::kSequence:
      for (const Flow& part : flow.parts()) before = add(part, std::move(before));
      return before;
    case Flow::Kind::kConcurrence:
      break;
  }
  if (flow.parts().empty()) return before;
  if (before.size() > 1) {
    const int all = add_node(0);
    for (const int each : before) link(each, all);
    before = {all};
  }
  std::vector<int> ends;
  for (const Flow& part : flow.parts()) {
    const std::vector<int> part_ends = add(part, before);
    ends.insert(ends.end(), part_ends.begin(), part_ends.end());
  }
  return ends;
}

std::vector<int> Cursor::start() {
  std::vector<int> first;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].waits_for == 0) first.push_back(static_cast<int>(i));
  }
  return reach(std::move(first));
}

std::vector<int> Cursor::reach(std::vector<int> nodes) {
  std::vector<int> ready;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes_[static_cast<std::size_t>(nodes[i])];
    if (node.step_id > 0 && !is_finished_(node.step_id)) {
      ready.push_back(node.step_id);
      ++open_;
      continue;
    }
    for (const int next : node.next) {
      if (--nodes_[static_cast<std::size_t>(next)].waits_for == 0) nodes.push_back(next);
    }
  }
  is_done_ = open_ == 0;
  return ready;
}

std::vector<int> Cursor::step_ended(int step_id, bool succeeded) {
  const auto found = node_of_step_.find(step_id);
  if (found == node_of_step_.end()) return {};
  --open_;
  has_failed_ |= !succeeded;
  std::vector<int> freed;
  if (succeeded) {
    for (const int next : nodes_[static_cast<std::size_t>(found->second)].next) {
      if (--nodes_[static_cast<std::size_t>(next)].waits_for == 0) freed.push_back(next);
    }
  }
  return reach(std::move(freed));
}

}  // namespace dynflow::engine
