// Plans out of a store of ours.
//
// Threads: one at a time.
#pragma once

#include <memory>
#include <string>

#include "migration/state/database_copy.h"
#include "migration/state/plan_source.h"
#include "shared/persistence/postgres/stored_version.h"

namespace dynflow::migration {

// Errors: those of persistence::open_sqlite_store.
Result<std::unique_ptr<PlanSource>> open_own_sqlite(const std::string& original, DatabaseCopy copy);
// Errors: those of persistence::open_postgres_store; kInvalid also when the tables are of another version, as opening it would change them.
Result<std::unique_ptr<PlanSource>> open_own_postgres(const std::string& url, const persistence::postgres::StoredVersion& version);

}  // namespace dynflow::migration
