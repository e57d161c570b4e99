// Plans out of a Ruby dynflow database in PostgreSQL: its tables are copied to a private SQLite file, which is read as Ruby's own.
//
// Threads: one at a time.
#pragma once

#include <memory>
#include <string>

#include "migration/state/plan_source.h"

namespace dynflow::migration {

// Errors: kInvalid (no tables of dynflow, a schema that is not known, no such URL), kUnavailable (the server; no room for the copy), kCorrupt,
// kClosed (interrupted).
Result<std::unique_ptr<PlanSource>> open_ruby_postgres(const std::string& url);

}  // namespace dynflow::migration
