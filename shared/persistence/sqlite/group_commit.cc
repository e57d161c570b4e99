#include "shared/persistence/sqlite/group_commit.h"

#include <cstddef>
#include <optional>

namespace dynflow::persistence {
namespace {

using Batches = std::vector<const WriteBatch*>;
using Outcomes = std::vector<Status>;

// After so many failures in a row the disk is taken for full, and the rest of the group is not tried.
constexpr int kHopelessAfter = 3;

// Faults of the database, not of a batch.
bool is_fault(const Status& status) {
  return !status.ok() && (status.error().code() == Code::kUnavailable || status.error().code() == Code::kCorrupt);
}

// One transaction for all, the usual case: no savepoints, which would make SQLite keep copies of the pages.
Status commit_together(BatchWriter& writer, const Batches& batches) {
  Status done = writer.begin();
  for (auto batch = batches.begin(); done.ok() && batch != batches.end(); ++batch) done = writer.apply(**batch);
  if (done.ok()) done = writer.commit();
  if (!done.ok()) writer.roll_back();
  return done;
}

Status apply_nested(BatchWriter& writer, const WriteBatch& batch) {
  if (Status begun = writer.begin_nested(); !begun.ok()) return begun;
  Status applied = writer.apply(batch);
  if (applied.ok()) return writer.commit_nested();
  if (is_fault(applied)) return applied;
  // A savepoint that cannot be undone is a fault of the database.
  if (Status undone = writer.roll_back_nested(); !undone.ok()) {
    return Error(Code::kUnavailable, undone.error().message());
  }
  return applied;
}

// One transaction, in which a batch can fail alone. Nothing when the database had a fault.
std::optional<Outcomes> commit_nested(BatchWriter& writer, const Batches& batches) {
  Outcomes outcomes;
  Status done = writer.begin();
  for (auto batch = batches.begin(); done.ok() && batch != batches.end(); ++batch) {
    outcomes.push_back(apply_nested(writer, **batch));
    if (is_fault(outcomes.back())) done = outcomes.back();
  }
  if (done.ok()) done = writer.commit();
  if (done.ok()) return outcomes;
  writer.roll_back();
  return std::nullopt;
}

// A transaction each: what still fits is stored when the disk is nearly full.
Outcomes commit_apart(BatchWriter& writer, const Batches& batches) {
  Outcomes outcomes;
  int failures = 0;
  for (const WriteBatch* batch : batches) {
    if (failures >= kHopelessAfter) {
      outcomes.push_back(outcomes.back());
      continue;
    }
    outcomes.push_back(commit_together(writer, {batch}));
    failures = is_fault(outcomes.back()) ? failures + 1 : 0;
  }
  return outcomes;
}

}  // namespace

std::vector<Status> commit_group(BatchWriter& writer, const std::vector<const WriteBatch*>& batches) {
  Status together = commit_together(writer, batches);
  if (together.ok() || batches.size() == 1) return Outcomes(batches.size(), together);
  if (!is_fault(together)) {
    if (std::optional<Outcomes> nested = commit_nested(writer, batches)) return std::move(*nested);
  }
  return commit_apart(writer, batches);
}

}  // namespace dynflow::persistence
