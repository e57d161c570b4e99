#include "shared/persistence/postgres/stored_version.h"

#include "shared/persistence/postgres/connection.h"
#include "shared/persistence/postgres/schema_files.h"

namespace dynflow::persistence::postgres {
namespace {

constexpr std::chrono::seconds kPatience{15};

Result<std::int64_t> first_number(Connection& connection, const std::string& sql) {
  connection.queue_text(sql);
  const auto rows = connection.run(std::chrono::steady_clock::now() + kPatience);
  if (!rows.ok()) return rows.error();
  return rows->front().count() == 0 || rows->front().is_null(0, 0) ? 0 : rows->front().integer(0, 0);
}

}  // namespace

Result<StoredVersion> stored_version(const std::string& url) {
  const Result<ServerUrl> address = ServerUrl::parse(url);
  if (!address.ok()) return address.error();
  Result<Connection> connection = Connection::open(*address, "SELECT set_config('default_transaction_read_only', 'on', false)",
                                                   std::chrono::steady_clock::now() + kPatience);
  if (!connection.ok()) return connection.error().in("PostgreSQL");
  StoredVersion stored;
  const auto has_table = first_number(*connection, "SELECT (to_regclass('dynflow_schema') IS NOT NULL)::int");
  if (!has_table.ok()) return has_table.error();
  if (*has_table == 0) return stored;
  const auto number = first_number(*connection, "SELECT max(version) FROM dynflow_schema");
  if (!number.ok()) return number.error();
  stored.number = static_cast<int>(*number);
  stored.is_current = stored.number == kSchemaFiles.back().version;
  return stored;
}

}  // namespace dynflow::persistence::postgres
