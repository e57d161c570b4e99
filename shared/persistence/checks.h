// What every backend refuses before it looks at its database, so that all of them store the same things.
//
// Threads: pure functions.
#pragma once

#include "shared/persistence/store.h"

namespace dynflow::persistence {

// Text that all databases can hold: valid UTF-8 without NUL (PostgreSQL takes neither).
bool is_storable(std::string_view text);

// kInvalid, naming the field, when a text of the batch is not storable, a plan has no id, or a chunk's sequence is not
// positive. Cost: one pass over all text.
Status check(const WriteBatch& batch);
// kInvalid in the same way; the name of a lock and the id of a world are not empty.
Status check(const WorldRecord& world);
Status check(const LockRecord& lock);

}  // namespace dynflow::persistence
