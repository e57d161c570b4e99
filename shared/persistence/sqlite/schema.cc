#include "shared/persistence/sqlite/schema.h"

#include <fmt/format.h>

#include <string>

#include "shared/log/log.h"
#include "shared/persistence/sqlite/schema_files.h"

namespace dynflow::persistence {
namespace {

Status apply(Database& database, const SchemaFile& file) {
  // user_version is part of the transaction: a crash leaves the old version or the new one.
  const std::string sql =
      fmt::format("BEGIN IMMEDIATE;\n{}\nPRAGMA user_version = {};\nCOMMIT;", file.sql, file.version);
  Status applied = database.execute(sql.c_str());
  if (!applied.ok() && database.is_in_transaction()) {
    // A failing rollback leaves nothing behind that the closing of the connection does not undo.
    static_cast<void>(database.execute("ROLLBACK"));
  }
  return applied;
}

}  // namespace

Status upgrade_schema(Database& database) {
  const Result<std::int64_t> version = database.query_int("PRAGMA user_version");
  if (!version.ok()) return version.error();
  if (*version > kSchemaFiles.back().version || *version < 0) {
    return Error(Code::kInvalid, fmt::format("the database has schema version {}; this program knows versions up to {}",
                                             *version, kSchemaFiles.back().version));
  }
  for (const SchemaFile& file : kSchemaFiles) {
    if (file.version <= *version) continue;
    if (Status applied = apply(database, file); !applied.ok()) {
      return applied.error().in(fmt::format("schema {}", file.name));
    }
    log::debug({}, "database schema: {} applied", file.name);
  }
  return {};
}

}  // namespace dynflow::persistence
