// What a PostgreSQL database holds of ours, told without changing it.
//
// Threads: a free function; safe everywhere. Blocks for seconds at most.
#pragma once

#include <string>

#include "shared/base/result.h"

namespace dynflow::persistence::postgres {

struct StoredVersion {
  int number = 0;                 // of the schema; 0: no tables of ours
  bool is_current = false;        // opening a store would change nothing
};

// Errors: kInvalid (no such URL), kUnavailable.
Result<StoredVersion> stored_version(const std::string& url);

}  // namespace dynflow::persistence::postgres
