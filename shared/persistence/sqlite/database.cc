#include "shared/persistence/sqlite/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cmath>
#include <cstring>

namespace dynflow::persistence {
namespace {

// Only an administrator's own sqlite3 shell can hold a lock for long: this process has one writer.
constexpr int kBusyTimeoutMs = 5000;

Code code_of(int extended) {
  switch (extended & 0xff) {
    case SQLITE_CONSTRAINT:
      return extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY ? Code::kConflict
                                                                                              : Code::kFailed;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT: return Code::kCorrupt;
    case SQLITE_TOOBIG: return Code::kTooLarge;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM: return Code::kUnavailable;
    default: return Code::kFailed;
  }
}

}  // namespace

void Database::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

Result<Database> Database::open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  if (handle == nullptr) return Error(Code::kUnavailable, "no memory for a database connection");
  Database database(handle);  // owns the handle of a failed open too
  if (code != SQLITE_OK) return database.last_error().in(path);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  return database;
}

Status Database::execute(const char* sql) {
  if (sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return last_error();
  return {};
}

Result<std::int64_t> Database::query_int(const char* sql) {
  Statement statement(*this, sql);
  if (Status started = statement.start(); !started.ok()) return started.error();
  const Result<bool> row = statement.next();
  if (!row.ok()) return row.error();
  return *row ? statement.integer(0) : 0;
}

Result<std::string> Database::query_text(const char* sql) {
  Statement statement(*this, sql);
  if (Status started = statement.start(); !started.ok()) return started.error();
  const Result<bool> row = statement.next();
  if (!row.ok()) return row.error();
  return *row ? statement.string(0) : std::string();
}

bool Database::is_in_transaction() const { return sqlite3_get_autocommit(handle()) == 0; }

int Database::changed_rows() const { return sqlite3_changes(handle()); }

std::int64_t Database::last_insert_number() const { return sqlite3_last_insert_rowid(handle()); }

Error Database::last_error() const {
  const int code = sqlite3_extended_errcode(handle());
  // "disk I/O error" is all that it says about a full disk, too.
  const int system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN ? sqlite3_system_errno(handle()) : 0;
  const std::string why = system != 0 ? fmt::format(": {}", std::strerror(system)) : std::string();
  return Error(code_of(code), fmt::format("sqlite: {} ({}){}", sqlite3_errmsg(handle()), code, why));
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Status Statement::prepare() {
  if (handle_ != nullptr) return {};
  if (sqlite3_prepare_v3(database_->handle(), sql_, -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr) != SQLITE_OK) {
    return database_->last_error();
  }
  return {};
}

Status Statement::start_with(std::span<const Value> values) {
  if (Status ready = prepare(); !ready.ok()) return ready;
  int index = 0;
  for (const Value& value : values) {
    std::visit([&](const auto& one) { bind(++index, one); }, value);
  }
  return {};
}

Status Statement::run_with(std::span<const std::optional<std::string>> cells) {
  if (Status ready = prepare(); !ready.ok()) return ready;
  int index = 0;
  for (const std::optional<std::string>& cell : cells) bind(++index, cell);
  return finish();
}

Result<bool> Statement::next() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(handle_);
    return false;
  }
  Error error = database_->last_error();  // before reset, which sets it anew
  sqlite3_reset(handle_);
  return error;
}

Status Statement::finish() {
  while (true) {
    const Result<bool> row = next();
    if (!row.ok()) return row.error();
    if (!*row) return {};
  }
}

void Statement::reset() {
  if (handle_ != nullptr) sqlite3_reset(handle_);
}

void Statement::bind(int index, std::string_view value) {
  const char* data = value.data() == nullptr ? "" : value.data();  // a null pointer would bind NULL
  if (sqlite3_bind_text64(handle_, index, data, value.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK) {
    // Above SQLite's limit of 1 GB. The text of the last execution must not stay bound; NOT NULL then refuses the row.
    sqlite3_bind_null(handle_, index);
  }
}
void Statement::bind(int index, std::int64_t value) { sqlite3_bind_int64(handle_, index, value); }
void Statement::bind(int index, double value) { sqlite3_bind_double(handle_, index, std::isnan(value) ? 0.0 : value); }
void Statement::bind(int index, std::nullopt_t) { sqlite3_bind_null(handle_, index); }

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }
double Statement::real(int column) const { return sqlite3_column_double(handle_, column); }
bool Statement::is_null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }

int Statement::column_count() const { return sqlite3_column_count(handle_); }

std::string_view Statement::text(int column) const {
  const void* data = sqlite3_column_text(handle_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(handle_, column))};
}

std::optional<Time> Statement::optional_time(int column) const {
  if (is_null(column)) return std::nullopt;
  return time(column);
}

}  // namespace dynflow::persistence
