#include "shared/persistence/postgres/foreign_tables.h"

#include <fmt/format.h>

#include "shared/persistence/postgres/connection.h"

namespace dynflow::persistence::postgres {
namespace {

constexpr std::chrono::seconds kPatience{60};
constexpr int kAtOnce = 500;  // rows; one of them may hold megabytes of output

Instant soon() { return std::chrono::steady_clock::now() + kPatience; }

Result<Connection> open(const ServerUrl& url) {
  return Connection::open(url, "SELECT set_config('default_transaction_read_only', 'on', false)", soon());
}

std::string quoted(std::string_view name) {
  std::string text = "\"";
  for (const char letter : name) text += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return text + "\"";
}

std::string expression(const ForeignColumn& column) {
  const std::string name = quoted(column.name);
  if (column.type == "bytea") return name;
  if (column.type == "boolean") return name + "::int::text";
  if (column.type.starts_with("timestamp")) return fmt::format("to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')", name);
  return name + "::text";
}

Result<Rows> ask(Connection& connection, const std::string& sql) {
  connection.queue_text(sql);
  auto answers = connection.run(soon());
  if (!answers.ok()) return answers.error();
  return std::move(answers->back());
}

Result<std::vector<ForeignColumn>> columns_of(Connection& connection, const std::string& table) {
  const auto rows = ask(connection, fmt::format("SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass('{}')"
                                                " AND attnum > 0 AND NOT attisdropped ORDER BY attnum", table));
  if (!rows.ok()) return rows.error();
  std::vector<ForeignColumn> columns;
  for (int row = 0; row < rows->count(); ++row) columns.push_back({rows->string(row, 0), rows->string(row, 1)});
  return columns;
}

Status read_table(Connection& connection, const ForeignTable& table, ForeignRows& rows) {
  const auto columns = columns_of(connection, table.name);
  if (!columns.ok()) return columns.error();
  if (columns->empty()) return {};
  if (Status begun = rows.begin(table.name, *columns); !begun.ok()) return begun;
  std::string list;
  for (const ForeignColumn& column : *columns) list += (list.empty() ? "" : ", ") + expression(column);
  const std::string order = table.order.empty() ? "" : " ORDER BY " + table.order;
  if (const auto opened = ask(connection, fmt::format("DECLARE table_rows NO SCROLL CURSOR FOR SELECT {} FROM {}{}", list, quoted(table.name), order)); !opened.ok()) {
    return opened.error();
  }
  while (true) {
    const auto part = ask(connection, fmt::format("FETCH {} FROM table_rows", kAtOnce));
    if (!part.ok()) return part.error();
    for (int row = 0; row < part->count(); ++row) {
      std::vector<std::optional<std::string>> cells;
      for (int column = 0; column < part->columns(); ++column) {
        cells.push_back(part->is_null(row, column) ? std::nullopt : std::optional(part->string(row, column)));
      }
      if (Status taken = rows.row(cells); !taken.ok()) return taken;
    }
    if (part->count() < kAtOnce) break;
  }
  const auto closed = ask(connection, "CLOSE table_rows");
  return closed.ok() ? Status() : Status(closed.error());
}

}  // namespace

Status read_foreign_tables(const std::string& url, const std::vector<ForeignTable>& tables, ForeignRows& rows) {
  const Result<ServerUrl> address = ServerUrl::parse(url);
  if (!address.ok()) return address.error();
  Result<Connection> connection = open(*address);
  if (!connection.ok()) return connection.error().in("PostgreSQL");
  // One moment for all tables.
  if (const auto begun = ask(*connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); !begun.ok()) return begun.error();
  for (const ForeignTable& table : tables) {
    if (Status done = read_table(*connection, table, rows); !done.ok()) return done;
  }
  return {};
}

Result<std::vector<std::string>> other_clients(const std::string& url) {
  const Result<ServerUrl> address = ServerUrl::parse(url);
  if (!address.ok()) return address.error();
  Result<Connection> connection = open(*address);
  if (!connection.ok()) return connection.error().in("PostgreSQL");
  const auto rows = ask(*connection, "SELECT pid::text, coalesce(nullif(application_name, ''), 'no name'), coalesce(host(client_addr), 'this host')"
                                     " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                                     " AND backend_type = 'client backend' ORDER BY pid");
  if (!rows.ok()) return rows.error();
  std::vector<std::string> clients;
  for (int row = 0; row < rows->count(); ++row) {
    clients.push_back(fmt::format("process {} of the server ({}, from {})", rows->text(row, 0), rows->text(row, 1), rows->text(row, 2)));
  }
  return clients;
}

}  // namespace dynflow::persistence::postgres
