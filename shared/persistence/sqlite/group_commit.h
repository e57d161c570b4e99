// Writes many batches in one transaction, and finds out which of them is to blame when that fails.
//
// Threads: one at a time, the one that owns the write connection.
#pragma once

#include <vector>

#include "shared/persistence/sqlite/batch_writer.h"

namespace dynflow::persistence {

// The outcome of each batch, in the same order. A batch that fails has changed nothing, and hurts no other.
std::vector<Status> commit_group(BatchWriter& writer, const std::vector<const WriteBatch*>& batches);

}  // namespace dynflow::persistence
