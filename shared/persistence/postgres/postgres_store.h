// The PostgreSQL backend: for several worlds in several processes on one database. One connection writes, with group commit; a few read;
// one listens.
#pragma once

#include <memory>

#include "shared/persistence/store.h"

namespace dynflow::persistence {

// Connects and brings the schema up to date. `options.database` is a URL: "postgresql://..." or "postgres://..."; max_bytes means
// nothing here. While the server is away later, submissions wait for it and reads fail with kUnavailable within
// seconds. Errors: kUnavailable (the server cannot be reached), kInvalid (no such URL, schema of a newer version, an encoding other
// than UTF-8). No error and no log line holds the password.
Result<std::unique_ptr<Store>> open_postgres_store(const StoreOptions& options);

}  // namespace dynflow::persistence
