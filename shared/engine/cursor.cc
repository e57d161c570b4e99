#include "shared/engine/cursor.h"

namespace dynflow::engine {

Cursor::Cursor(const Flow& flow, std::function<bool(int)> is_finished) : is_finished_(std::move(is_finished)) {
  add(flow, -1);
}

int Cursor::add(const Flow& flow, int parent) {
  const int index = static_cast<int>(nodes_.size());
  nodes_.emplace_back();
  nodes_.back().kind = flow.kind();
  nodes_.back().step_id = flow.step_id();
  nodes_.back().parent = parent;
  if (flow.kind() == Flow::Kind::kStep) node_of_step_[flow.step_id()] = index;
  for (const Flow& part : flow.parts()) {
    const int child = add(part, index);
    nodes_[static_cast<std::size_t>(index)].parts.push_back(child);
  }
  return index;
}

std::vector<int> Cursor::start() {
  std::vector<int> ready;
  if (enter(0, ready)) {
    is_done_ = true;
    succeeded_ = true;
  }
  return ready;
}

bool Cursor::enter(int index, std::vector<int>& ready) {
  Node& node = nodes_[static_cast<std::size_t>(index)];
  switch (node.kind) {
    case Flow::Kind::kStep:
      if (is_finished_(node.step_id)) return true;
      ready.push_back(node.step_id);
      return false;
    case Flow::Kind::kSequence:
      while (node.next < node.parts.size()) {
        if (!enter(node.parts[node.next++], ready)) return false;
      }
      return true;
    case Flow::Kind::kConcurrence:
      for (const int part : node.parts) {
        if (!enter(part, ready)) ++node.open;
      }
      return node.open == 0;
  }
  return true;
}

std::vector<int> Cursor::step_ended(int step_id, bool succeeded) {
  std::vector<int> ready;
  const auto found = node_of_step_.find(step_id);
  if (found != node_of_step_.end()) ended(found->second, succeeded, ready);
  return ready;
}

void Cursor::ended(int index, bool succeeded, std::vector<int>& ready) {
  for (;;) {
    const int parent_index = nodes_[static_cast<std::size_t>(index)].parent;
    if (parent_index < 0) {
      is_done_ = true;
      succeeded_ = succeeded;
      return;
    }
    Node& parent = nodes_[static_cast<std::size_t>(parent_index)];
    if (parent.kind == Flow::Kind::kConcurrence) {
      parent.has_failed |= !succeeded;
      if (--parent.open > 0) return;
      succeeded = !parent.has_failed;
    } else if (succeeded) {
      while (parent.next < parent.parts.size()) {
        if (!enter(parent.parts[parent.next++], ready)) return;
      }
    }
    index = parent_index;
  }
}

}  // namespace dynflow::engine
