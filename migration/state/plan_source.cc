#include "migration/state/plan_source.h"

#include <fmt/format.h>

#include <filesystem>

#include "migration/state/own_source.h"
#include "migration/state/ruby_postgres.h"
#include "migration/state/ruby_source.h"
#include "shared/core/database_choice.h"
#include "shared/persistence/postgres/stored_version.h"
#include "shared/persistence/sqlite/database.h"

namespace dynflow::migration {

namespace {

Result<bool> has_table(persistence::Database& database, std::string_view name) {
  const auto found = database.query_int(
      fmt::format("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '{}'", name).c_str());
  if (!found) return found.error();
  return *found > 0;
}

}  // namespace

Status check_target(const std::string& source, const std::string& target) {
  std::error_code problem;
  if (source == target || std::filesystem::equivalent(source, target, problem)) return Error(Code::kInvalid, "source and target are the same");
  if (core::is_postgres(target) || !std::filesystem::exists(target, problem) || std::filesystem::is_empty(target, problem)) return {};
  auto opened = persistence::Database::open(target);
  if (!opened) return opened.error().in(target);
  const auto tables = opened->query_int("SELECT count(*) FROM sqlite_master WHERE type = 'table'");
  if (!tables) return tables.error().in(target);
  const auto is_ours = has_table(*opened, "plans");
  if (!is_ours) return is_ours.error().in(target);
  const auto is_ruby = has_table(*opened, "dynflow_schema_info");
  if (!is_ruby) return is_ruby.error().in(target);
  if (*is_ruby) return Error(Code::kInvalid, fmt::format("{} is a database of Ruby dynflow: name a new file", target));
  if (*tables > 0 && !*is_ours) return Error(Code::kInvalid, fmt::format("{} holds other tables than ours: name a new file", target));
  return {};
}

Result<std::unique_ptr<PlanSource>> open_source(const std::string& database) {
  if (core::is_postgres(database)) {
    const auto ours = persistence::postgres::stored_version(database);
    if (!ours) return ours.error();
    return ours->number > 0 ? open_own_postgres(database, *ours) : open_ruby_postgres(database);
  }
  auto copy = DatabaseCopy::make(database);
  if (!copy) return copy.error();
  Result<bool> is_ruby = false;
  Result<bool> is_ours = false;
  {
    auto opened = persistence::Database::open(copy->path());
    if (!opened) return opened.error();
    is_ruby = has_table(*opened, "dynflow_schema_info");
    if (is_ruby && !*is_ruby) is_ours = has_table(*opened, "plans");
  }
  if (!is_ruby) return is_ruby.error().in(database);
  if (!is_ours) return is_ours.error().in(database);
  if (*is_ruby) return open_ruby(database, std::move(*copy), [database] { return Result<std::vector<std::string>>(users_of(database)); });
  if (*is_ours) return open_own_sqlite(database, std::move(*copy));
  return Error(Code::kInvalid, fmt::format("{} holds no tables of dynflow", database));
}

}  // namespace dynflow::migration
