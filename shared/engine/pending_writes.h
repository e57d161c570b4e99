// What of a plan has changed since its last write: the marks from which its next batch is made.
//
// Threads: used on the plan's strand.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "shared/persistence/store.h"

namespace dynflow::engine {

struct PendingWrites {
  bool has_plan = false;     // the plan's own row
  std::vector<int> steps;    // may name one twice
  std::vector<int> actions;  // may name one twice
  persistence::WriteBatch rows;  // of actions, observers and events
  std::set<int> dropped_output;  // actions whose output so far goes, before `chunks` come
  std::map<int, std::vector<persistence::OutputChunk>> chunks;  // by action
  std::vector<int> announced_steps;  // may run once it is durable that they do
  std::vector<std::function<void(Status)>> waiters;
  std::vector<std::shared_ptr<const persistence::PlanRecord>> hooked;  // the plan in states that hooks hear of, shared with them

  bool is_empty() const { return !has_plan && steps.empty() && actions.empty() && rows.empty() && dropped_output.empty() && chunks.empty(); }
  bool has_only_chunks() const { return !has_plan && steps.empty() && actions.empty() && rows.empty() && dropped_output.empty(); }

  void drop_output(int action_id);

  // The batch, from the plan as it is now. The marks stay, so that the batch can be made again when its write failed.
  persistence::WriteBatch to_batch(const persistence::PlanRecord& plan);
  // Adds what was marked later.
  void append(PendingWrites later);
};

}  // namespace dynflow::engine
