#include "shared/engine/step_order.h"

#include <algorithm>
#include <set>

namespace dynflow::engine {

namespace {

using Pair = std::pair<int, int>;  // a step, and one that it waits for

constexpr std::size_t kMostPairsOfAStep = 16;
constexpr std::size_t kSomePairs = 1000;

class Pairs {
 public:
  explicit Pairs(std::size_t limit) : limit_(limit) {}
  // False: too many.
  bool add(int step, int waits_for) {
    pairs_.insert({step, waits_for});
    return pairs_.size() <= limit_;
  }
  // Of the sequences of a flow. False: too many.
  bool add(const Flow& flow) {
    std::vector<int> ends;
    return add(flow, {}, ends);
  }
  const std::set<Pair>& all() const { return pairs_; }

 private:
  // `before`: what the first steps of `flow` wait for. Leaves its last steps in `ends`.
  bool add(const Flow& flow, const std::vector<int>& before, std::vector<int>& ends) {
    if (flow.kind() == Flow::Kind::kStep) {
      ends.push_back(flow.step_id());
      return std::all_of(before.begin(), before.end(), [&](int id) { return add(flow.step_id(), id); });
    }
    if (flow.kind() == Flow::Kind::kConcurrence) {
      return std::all_of(flow.parts().begin(), flow.parts().end(), [&](const Flow& part) { return add(part, before, ends); });
    }
    std::vector<int> last = before;
    for (const Flow& part : flow.parts()) {
      std::vector<int> part_ends;
      if (!add(part, last, part_ends)) return false;
      if (!part_ends.empty()) last = std::move(part_ends);
    }
    ends.insert(ends.end(), last.begin(), last.end());
    return true;
  }

  const std::size_t limit_;
  std::set<Pair> pairs_;
};

}  // namespace

std::optional<StepOrder> order_beyond(const Flow& shown, const Flow& asked, const std::vector<Pair>& references) {
  if (references.empty()) return std::nullopt;  // then both are the same
  const std::size_t limit = kSomePairs + kMostPairsOfAStep * shown.step_ids().size();
  Pairs needed(limit);
  if (!needed.add(asked)) return std::nullopt;
  for (const auto& [user, used] : references) {
    if (!needed.add(user, used)) return std::nullopt;
  }
  Pairs said(limit);
  if (!said.add(shown)) return std::nullopt;
  // The tree holds all that is needed; where it holds nothing else, it says it shorter.
  if (std::includes(needed.all().begin(), needed.all().end(), said.all().begin(), said.all().end())) return std::nullopt;
  StepOrder order;
  for (const auto& [step, waits_for] : needed.all()) order[step].push_back(waits_for);
  return order;
}

std::optional<StepOrder> stored_order(const Flow& flow, const std::vector<persistence::StepRecord>& steps) {
  const std::vector<int> ids = flow.step_ids();
  StepOrder order;
  for (const int id : ids) {
    const auto& children = steps[static_cast<std::size_t>(id - 1)].children;
    if (!children.empty()) order.emplace(id, children);
  }
  if (order.empty()) return std::nullopt;
  const std::set<int> known(ids.begin(), ids.end());
  for (const auto& [step, waits_for] : order) {
    for (const int id : waits_for) {
      // Planned before: so there are no circles.
      if (id >= step || known.count(id) == 0) return std::nullopt;
    }
  }
  return order;
}

}  // namespace dynflow::engine
