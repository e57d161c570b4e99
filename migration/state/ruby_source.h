// Plans out of a Ruby dynflow database in SQLite, schema 15 to 25.
//
// Threads: one at a time.
//
// Source: Dynflow 0.8.36 to 2.0.0, lib/dynflow/persistence_adapters/sequel.rb and sequel_migrations/.
#pragma once

#include <memory>
#include <string>

#include "migration/state/database_copy.h"
#include "migration/state/plan_source.h"

namespace dynflow::migration {

// Errors: kInvalid (a schema that is not known), kCorrupt, kUnavailable.
Result<std::unique_ptr<PlanSource>> open_ruby(const std::string& original, DatabaseCopy copy);

}  // namespace dynflow::migration
