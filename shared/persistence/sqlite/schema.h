// The schema's versions: the files of shared/persistence/schema, built in, applied in order.
//
// Threads: one thread owns the database while it is upgraded.
#pragma once

#include <string_view>

#include "shared/persistence/sqlite/database.h"

namespace dynflow::persistence {

struct SchemaFile {
  int version;            // from 1, without holes
  std::string_view name;  // "001_initial"
  const char* sql;
};

// Brings the database to the newest version, each step in a transaction of its own. Errors: kInvalid (made by a newer
// version of this program), kCorrupt, kUnavailable.
Status upgrade_schema(Database& database);

}  // namespace dynflow::persistence
