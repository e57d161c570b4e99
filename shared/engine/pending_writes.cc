#include "shared/engine/pending_writes.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "shared/engine/plan_changes.h"

namespace dynflow::engine {

using persistence::WriteBatch;

namespace {

void sort_unique(std::vector<int>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

template <class T>
void move_to_end(std::vector<T>& to, std::vector<T>& from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

WriteBatch PendingWrites::to_batch(const persistence::PlanRecord& plan) {
  sort_unique(steps);
  sort_unique(actions);
  WriteBatch batch;
  // Output first: it was there before the result that follows.
  for (const int id : dropped_output) batch.add(WriteBatch::DropChunks{plan.id, id});
  for (const auto& [action_id, list] : chunks) batch.add(WriteBatch::AppendChunks{plan.id, action_id, list});
  for (const int id : steps) batch.add(WriteBatch::UpdateStep{plan.id, plan.steps[static_cast<std::size_t>(id - 1)]});
  for (const int id : actions) {
    const auto& action = plan.actions[static_cast<std::size_t>(id - 1)];
    batch.add(WriteBatch::UpdateAction{plan.id, id, action.input, action.output});
  }
  if (has_plan) batch.add(WriteBatch::UpdatePlan{plan.id, progress_of_plan(plan)});
  if (!rows.empty()) batch.add(WriteBatch(rows));
  return batch;
}

void PendingWrites::drop_output(int action_id) {
  dropped_output.insert(action_id);
  chunks.erase(action_id);
}

void PendingWrites::append(PendingWrites later) {
  has_plan |= later.has_plan;
  move_to_end(steps, later.steps);
  move_to_end(actions, later.actions);
  rows.add(std::move(later.rows));
  for (const int action_id : later.dropped_output) drop_output(action_id);
  for (auto& [action_id, list] : later.chunks) move_to_end(chunks[action_id], list);
  move_to_end(announced_steps, later.announced_steps);
  move_to_end(waiters, later.waiters);
  move_to_end(hooked, later.hooked);
}

}  // namespace dynflow::engine
