// The schema's versions: the files of shared/persistence/schema, built in, applied in order.
//
// Threads: any; several processes may upgrade at once.
#pragma once

#include <string_view>

#include "shared/persistence/postgres/connection.h"

namespace dynflow::persistence::postgres {

struct SchemaFile {
  int version;            // from 1, without holes
  std::string_view name;  // "001_initial"
  const char* sql;
};

// Brings the database to the newest version, in the first schema of the search path; one process at a time, all or nothing. Errors:
// kInvalid (made by a newer version of this program; no schema), kUnavailable, kFailed.
Status upgrade_schema(Connection& connection);

}  // namespace dynflow::persistence::postgres
