#include "migration/state/ruby_source.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <iterator>

#include "migration/state/ruby_rows.h"
#include "shared/persistence/sqlite/database.h"

namespace dynflow::migration {

using persistence::Database;
using persistence::Statement;

namespace {

constexpr std::chrono::seconds kFresh{60};  // Dynflow 2.0.0, lib/dynflow/dispatcher/client_dispatcher.rb: a heartbeat younger than this counts

constexpr std::array<std::string_view, 5> kProxyWords = {"ruby", "proxy", "dynflow", "puma", "sidekiq"};  // in a command line

constexpr int kFirstMessagePackChunks = 24;  // schema; later than all other cells
constexpr std::string_view kChunk = "output chunk";

enum class Cell { kText, kNumber, kReal, kDocument };

struct Column {
  const char* name;
  Cell cell;
};

constexpr std::array kPlanColumns = {
    Column{"uuid", Cell::kText},           Column{"state", Cell::kText},       Column{"result", Cell::kText},
    Column{"started_at", Cell::kText},     Column{"ended_at", Cell::kText},    Column{"real_time", Cell::kReal},
    Column{"execution_time", Cell::kReal}, Column{"label", Cell::kText},       Column{"root_plan_step_id", Cell::kNumber},
    Column{"run_flow", Cell::kDocument},   Column{"finalize_flow", Cell::kDocument},
    Column{"execution_history", Cell::kDocument}, Column{"step_ids", Cell::kDocument}, Column{"data", Cell::kDocument}};
constexpr std::array kStepColumns = {
    Column{"id", Cell::kNumber},          Column{"action_id", Cell::kNumber},      Column{"state", Cell::kText},
    Column{"started_at", Cell::kText},    Column{"ended_at", Cell::kText},         Column{"real_time", Cell::kReal},
    Column{"execution_time", Cell::kReal}, Column{"progress_done", Cell::kReal},   Column{"progress_weight", Cell::kReal},
    Column{"class", Cell::kText},         Column{"action_class", Cell::kText},     Column{"queue", Cell::kText},
    Column{"error", Cell::kDocument},     Column{"children", Cell::kDocument},     Column{"data", Cell::kDocument}};
constexpr std::array kActionColumns = {
    Column{"id", Cell::kNumber},           Column{"caller_execution_plan_id", Cell::kText}, Column{"caller_action_id", Cell::kNumber},
    Column{"class", Cell::kText},          Column{"plan_step_id", Cell::kNumber},           Column{"run_step_id", Cell::kNumber},
    Column{"finalize_step_id", Cell::kNumber}, Column{"input", Cell::kDocument},            Column{"output", Cell::kDocument},
    Column{"data", Cell::kDocument}};
constexpr std::array kChunkColumns = {Column{"action_id", Cell::kNumber}, Column{"kind", Cell::kText}, Column{"timestamp", Cell::kText},
                                      Column{"chunk", Cell::kDocument}};

constexpr std::array kDelayedColumns = {
    Column{"start_at", Cell::kText},       Column{"start_before", Cell::kText},       Column{"frozen", Cell::kNumber},
    Column{"args_serializer", Cell::kText}, Column{"serialized_args", Cell::kDocument}, Column{"data", Cell::kDocument}};
constexpr std::array kDependencyColumns = {Column{"blocked_by_uuid", Cell::kText}};

// What a whole object calls its id is named otherwise in its row.
std::string_view column_of(std::string_view member) {
  if (member == "execution_plan_id" || member == "execution_plan_uuid") return "";
  return member;
}

// `name`: of the row, for the error. `data` is a copy of the whole object that older versions kept; it wins.
template <std::size_t size>
Result<Json> read_row(const Statement& statement, const std::array<Column, size>& columns, RubyEra era, const std::string& name) {
  Json row = Json::object();
  for (std::size_t i = 0; i < size; ++i) {
    const int at = static_cast<int>(i);
    Json& value = row[columns[i].name];
    if (statement.is_null(at)) continue;
    switch (columns[i].cell) {
      case Cell::kText: value = statement.string(at); break;
      case Cell::kNumber: value = statement.integer(at); break;
      case Cell::kReal: value = statement.real(at); break;
      case Cell::kDocument: {
        auto decoded = decode_ruby(statement.text(at), era);
        if (!decoded) return decoded.error().in(fmt::format("{}: {}", name, columns[i].name));
        value = std::move(*decoded);
      }
    }
  }
  const auto data = row.find("data");
  if (data != row.end() && data->is_object()) {
    const Json whole = *data;
    for (const auto& [member, value] : whole.items()) {
      if (const std::string_view column = column_of(member); !column.empty() && column != "data") row[std::string(column)] = value;
    }
  }
  return row;
}

class RubySource final : public PlanSource {
 public:
  RubySource(AskUsers users, DatabaseCopy copy, Database database, int schema)
      : users_(std::move(users)), copy_(std::move(copy)), database_(std::move(database)), schema_(schema) {}

  std::string kind() const override { return fmt::format("Ruby dynflow, schema {}, {}", schema_, to_string(era())); }

  Result<std::vector<std::string>> signs_of_life() override {
    auto users = users_();
    if (!users) return users.error();
    std::vector<std::string> signs = *std::move(users);
    Statement worlds(database_, "SELECT id, class, data FROM dynflow_coordinator_records WHERE class LIKE '%World'");
    if (Status started = worlds.start(); !started.ok()) return started.error();
    const Status read = persistence::for_rows(worlds, [&]() -> Status {
      const auto data = decode_ruby(worlds.text(2), era());
      if (!data) return {};  // says nothing about anybody
      if (auto sign = sign_of(worlds.string(0), *data)) signs.push_back(std::move(*sign));
      return {};
    });
    if (!read.ok()) return read.error();
    return signs;
  }

  Result<std::vector<PlanSummary>> list() override {
    Statement rows(database_, "SELECT uuid, label, state, result, started_at, ended_at FROM dynflow_execution_plans ORDER BY rowid");
    if (Status started = rows.start(); !started.ok()) return started.error();
    std::vector<PlanSummary> list;
    const Status read = persistence::for_rows(rows, [&]() -> Status {
      list.push_back({rows.string(0), current_class_name(rows.text(1)), rows.string(2), rows.string(3), parse_ruby_time(rows.text(4)),
                      parse_ruby_time(rows.text(5))});
      return {};
    });
    if (!read.ok()) return read.error();
    return list;
  }

  Result<StoredPlan> load(const std::string& id) override {
    RubyPlanRows rows;
    auto plan = read_all("dynflow_execution_plans", "uuid", "rowid", kPlanColumns, id, "plan");
    if (!plan) return plan.error();
    if (plan->empty()) return Error(Code::kNotFound, fmt::format("no plan {}", id));
    rows.plan = std::move(plan->front());
    auto steps = read_all("dynflow_steps", "execution_plan_uuid", "id", kStepColumns, id, "step");
    if (!steps) return steps.error();
    rows.steps = std::move(*steps);
    auto actions = read_all("dynflow_actions", "execution_plan_uuid", "id", kActionColumns, id, "action");
    if (!actions) return actions.error();
    rows.actions = std::move(*actions);
    if (has_table("dynflow_output_chunks")) {
      auto chunks = read_all("dynflow_output_chunks", "execution_plan_uuid", "id", kChunkColumns, id, kChunk);
      if (!chunks) return chunks.error();
      rows.chunks = std::move(*chunks);
    }
    auto delayed = read_all("dynflow_delayed_plans", "execution_plan_uuid", "rowid", kDelayedColumns, id, "delayed plan");
    if (!delayed) return delayed.error();
    if (!delayed->empty()) rows.delayed = std::move(delayed->front());
    if (has_table("dynflow_execution_plan_dependencies")) {
      auto dependencies = read_all("dynflow_execution_plan_dependencies", "execution_plan_uuid", "rowid", kDependencyColumns, id, "dependency");
      if (!dependencies) return dependencies.error();
      for (const Json& row : *dependencies) rows.blocked_by.push_back(json::get_string(row, "blocked_by_uuid"));
    }
    return plan_from_rows(rows);
  }

 private:
  RubyEra era() const { return schema_ >= kFirstMessagePackSchema ? RubyEra::kMessagePack : RubyEra::kJson; }
  RubyEra chunk_era() const { return schema_ >= kFirstMessagePackChunks ? RubyEra::kMessagePack : RubyEra::kJson; }

  bool has_table(std::string_view name) {
    const auto found = database_.query_int(fmt::format("SELECT count(*) FROM sqlite_master WHERE name = '{}'", name).c_str());
    return found.ok() && *found > 0;
  }

  // Rows of one plan. Columns that a schema lacks are null.
  template <std::size_t size>
  Result<std::vector<Json>> read_all(std::string_view table, std::string_view key, std::string_view order,
                                     const std::array<Column, size>& columns, const std::string& id, std::string_view name) {
    std::string list;
    for (const Column& column : columns) {
      const auto has_column = database_.query_int(
          fmt::format("SELECT count(*) FROM pragma_table_info('{}') WHERE name = '{}'", table, column.name).c_str());
      if (!has_column) return has_column.error();
      list += fmt::format("{}{}", list.empty() ? "" : ", ", *has_column > 0 ? fmt::format("[{}]", column.name) : "NULL");
    }
    const std::string sql = fmt::format("SELECT {} FROM {} WHERE {} = ? ORDER BY {}", list, table, key, order);
    Statement statement(database_, sql.c_str());
    if (Status started = statement.start(id); !started.ok()) return started.error();
    std::vector<Json> rows;
    const Status read = persistence::for_rows(statement, [&]() -> Status {
      auto row = read_row(statement, columns, name == kChunk ? chunk_era() : era(), name == "plan" ? std::string(name) : fmt::format("{} {}", name, rows.size() + 1));
      if (!row) return row.error();
      rows.push_back(std::move(*row));
      return {};
    });
    if (!read.ok()) return read.error();
    return rows;
  }

  // The number may belong to another program by now.
  static bool is_proxy(std::int64_t pid) {
    std::ifstream file(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
    const std::string line(std::istreambuf_iterator<char>(file), {});
    return std::any_of(kProxyWords.begin(), kProxyWords.end(), [&](std::string_view word) { return line.find(word) != std::string::npos; });
  }

  // A world of a process that lives on this machine, or whose heartbeat is fresh.
  std::optional<std::string> sign_of(const std::string& id, const Json& data) const {
    const Json* meta = json::find(data, "meta");
    if (meta == nullptr) return std::nullopt;
    const std::string host = json::get_string(*meta, "hostname");
    const auto pid = json::get_int(*meta, "pid", 0);
    char here[256] = "";
    ::gethostname(here, sizeof here - 1);
    if (host == here && pid > 0 && is_proxy(pid)) {
      return fmt::format("world {} says that it is process {}, which lives", id, pid);
    }
    // The heartbeat is local time without a zone: of a host in another zone it cannot be judged (a defect of upstream's), so that
    // only the same host's counts, by this host's zone.
    const auto seen = parse_ruby_time(json::get_string(*meta, "last_seen"));
    if (host != here || !seen) return std::nullopt;
    std::time_t seconds = std::chrono::duration_cast<std::chrono::seconds>(seen->time_since_epoch()).count();
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    parts.tm_isdst = -1;
    const Time local(std::chrono::seconds(::mktime(&parts)));
    const auto age = system_clock().now() - local;
    if (age > kFresh || age < -kFresh) return std::nullopt;
    return fmt::format("world {} gave a sign of life {} s ago", id, std::chrono::duration_cast<std::chrono::seconds>(age).count());
  }

  AskUsers users_;
  DatabaseCopy copy_;
  Database database_;  // of the copy
  int schema_;
};

}  // namespace

Result<std::unique_ptr<PlanSource>> open_ruby(const std::string& original, DatabaseCopy copy, AskUsers users) {
  auto database = Database::open(copy.path());
  if (!database) return database.error();
  const auto schema = database->query_int("SELECT version FROM dynflow_schema_info");
  if (!schema) return schema.error().in(original);
  if (*schema < kOldestRubySchema || *schema > kNewestRubySchema) {
    return Error(Code::kInvalid, fmt::format("{}: schema {} of Ruby dynflow; {} to {} can be read", original, *schema, kOldestRubySchema,
                                             kNewestRubySchema));
  }
  return std::unique_ptr<PlanSource>(
      std::make_unique<RubySource>(std::move(users), std::move(copy), std::move(*database), static_cast<int>(*schema)));
}

}  // namespace dynflow::migration
