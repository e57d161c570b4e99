#include "shared/persistence/postgres/schema.h"

#include <fmt/format.h>

#include <string>

#include "shared/log/log.h"
#include "shared/persistence/postgres/schema_files.h"

namespace dynflow::persistence::postgres {
namespace {

// Another process may be at it, or an old transaction in the way.
constexpr std::chrono::seconds kUpgradeTime{60};

Result<std::vector<Rows>> run(Connection& connection, const std::string& sql) {
  connection.queue_text(sql);
  return connection.run(std::chrono::steady_clock::now() + kUpgradeTime);
}

Result<int> locked_version(Connection& connection) {
  const Result<std::vector<Rows>> schema = run(connection, "SELECT current_schema()::text");
  if (!schema.ok()) return schema.error();
  if (schema->front().is_null(0, 0)) return Error(Code::kInvalid, "the database has no schema of the search path");
  for (const char* sql : {"SELECT pg_advisory_xact_lock(hashtext('dynflow schema ' || current_schema()))",
                          "CREATE TABLE IF NOT EXISTS dynflow_schema (version integer NOT NULL)"}) {
    if (const auto done = run(connection, sql); !done.ok()) return done.error();
  }
  const Result<std::vector<Rows>> version = run(connection, "SELECT max(version) FROM dynflow_schema");
  if (!version.ok()) return version.error();
  return version->front().is_null(0, 0) ? 0 : version->front().small_integer(0, 0);
}

Status apply_missing(Connection& connection) {
  const Result<int> version = locked_version(connection);
  if (!version.ok()) return version.error();
  if (*version > kSchemaFiles.back().version || *version < 0) {
    return Error(Code::kInvalid, fmt::format("the database has schema version {}; this program knows versions up to {}",
                                             *version, kSchemaFiles.back().version));
  }
  for (const SchemaFile& file : kSchemaFiles) {
    if (file.version <= *version) continue;
    // The extended protocol takes one statement at a time.
    const auto done = run(connection, fmt::format("DO $do$BEGIN EXECUTE $schema${}$schema$; END$do$", file.sql));
    if (!done.ok()) return done.error().in(fmt::format("schema {}", file.name));
    const auto noted = run(connection, fmt::format("INSERT INTO dynflow_schema VALUES ({})", file.version));
    if (!noted.ok()) return noted.error();
    log::debug({}, "database schema: {} applied", file.name);
  }
  return {};
}

}  // namespace

Status upgrade_schema(Connection& connection) {
  if (const auto begun = run(connection, "BEGIN"); !begun.ok()) return begun.error();
  Status applied = apply_missing(connection);
  const auto ended = run(connection, applied.ok() ? "COMMIT" : "ROLLBACK");
  if (applied.ok() && !ended.ok()) return ended.error();
  return applied;
}

}  // namespace dynflow::persistence::postgres
