// The SQLite backend: WAL, one writer thread with group commit, a few readers.
#pragma once

#include <memory>

#include "shared/persistence/store.h"

namespace dynflow::persistence {

// Opens or makes the database and brings its schema up to date. The file is made with mode 0640 in a directory made with
// 0750. Errors: kUnavailable (cannot be opened or written, in use by another process), kCorrupt (not a database),
// kInvalid (schema of a newer version, network file system).
Result<std::unique_ptr<Store>> open_sqlite_store(const StoreOptions& options);

}  // namespace dynflow::persistence
