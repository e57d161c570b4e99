#include "migration/state/ruby_postgres.h"

#include <fmt/format.h>

#include <optional>

#include "migration/state/ruby_source.h"
#include "shared/base/interrupt.h"
#include "shared/persistence/postgres/foreign_tables.h"
#include "shared/persistence/sqlite/database.h"

namespace dynflow::migration {

using persistence::Database;
using persistence::Statement;
using persistence::postgres::ForeignColumn;
using persistence::postgres::ForeignTable;

namespace {

constexpr std::string_view kVersionTable = "dynflow_schema_info";

// Plans by their start: the rows of a table in PostgreSQL move when they are changed.
const std::vector<ForeignTable>& ruby_tables() {
  static const std::vector<ForeignTable> tables = {
      {std::string(kVersionTable), ""},        {"dynflow_execution_plans", "started_at, uuid"},
      {"dynflow_actions", ""},                 {"dynflow_steps", ""},
      {"dynflow_delayed_plans", ""},           {"dynflow_output_chunks", "id"},
      {"dynflow_execution_plan_dependencies", ""}, {"dynflow_coordinator_records", ""}};
  return tables;
}

std::string_view type_in_sqlite(const std::string& type) {
  if (type == "integer" || type == "bigint" || type == "smallint" || type == "boolean") return "INTEGER";
  if (type == "double precision" || type == "real" || type == "numeric") return "REAL";
  return type == "bytea" ? "BLOB" : "TEXT";
}

class Copier final : public persistence::postgres::ForeignRows {
 public:
  explicit Copier(Database& database) : database_(database) {}

  Status begin(const std::string& table, const std::vector<ForeignColumn>& columns) override {
    has_version_ = has_version_ || table == kVersionTable;
    std::string list;
    std::string marks;
    std::string index;
    for (const ForeignColumn& column : columns) {
      list += fmt::format("{}\"{}\" {}", list.empty() ? "" : ", ", column.name, type_in_sqlite(column.type));
      marks += marks.empty() ? "?" : ", ?";
      if (column.name == "uuid" || column.name == "execution_plan_uuid") index = fmt::format("CREATE INDEX \"{}_by_plan\" ON \"{}\" (\"{}\");", table, table, column.name);
    }
    insert_.reset();
    if (Status made = database_.execute(fmt::format("CREATE TABLE \"{}\" ({}); {}", table, list, index).c_str()); !made.ok()) return made;
    sql_ = fmt::format("INSERT INTO \"{}\" VALUES ({})", table, marks);
    insert_.emplace(database_, sql_.c_str());
    return {};
  }

  Status row(const std::vector<std::optional<std::string>>& cells) override {
    if (is_interrupted()) return Error(Code::kClosed, "interrupted");
    return insert_->run_with(cells);
  }

  bool has_version() const { return has_version_; }

 private:
  Database& database_;
  std::string sql_;
  std::optional<Statement> insert_;
  bool has_version_ = false;
};

}  // namespace

Result<std::unique_ptr<PlanSource>> open_ruby_postgres(const std::string& url) {
  auto copy = DatabaseCopy::empty();
  if (!copy) return copy.error();
  {
    auto database = Database::open(copy->path());
    if (!database) return database.error();
    Copier copier(*database);
    if (Status begun = database->execute("BEGIN"); !begun.ok()) return begun.error();
    if (Status copied = persistence::postgres::read_foreign_tables(url, ruby_tables(), copier); !copied.ok()) return copied.error();
    if (!copier.has_version()) return Error(Code::kInvalid, "the database holds no tables of ours, nor of Ruby dynflow");
    if (Status done = database->execute("COMMIT"); !done.ok()) return done.error();
  }
  return open_ruby("PostgreSQL", *std::move(copy), [url] { return persistence::postgres::other_clients(url); });
}

}  // namespace dynflow::migration
