// Plans out of a Ruby dynflow database, schema 15 to 25: a copy of it in SQLite.
//
// Threads: one at a time.
//
// Source: Dynflow 0.8.36 to 2.0.0, lib/dynflow/persistence_adapters/sequel.rb and sequel_migrations/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "migration/state/database_copy.h"
#include "migration/state/plan_source.h"

namespace dynflow::migration {

// Who has the original open, one line each.
using AskUsers = std::function<Result<std::vector<std::string>>()>;

// Errors: kInvalid (a schema that is not known), kCorrupt, kUnavailable. `original`: as errors name it.
Result<std::unique_ptr<PlanSource>> open_ruby(const std::string& original, DatabaseCopy copy, AskUsers users);

}  // namespace dynflow::migration
