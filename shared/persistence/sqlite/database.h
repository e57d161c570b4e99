// A connection to SQLite and its prepared statements.
//
// Threads: a connection and its statements belong to one thread at a time (SQLITE_OPEN_NOMUTEX); the owner sees to it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "shared/base/clock.h"
#include "shared/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace dynflow::persistence {

class Database {
 public:
  // `path` ":memory:" makes a database of its own that ends with the connection. Errors: kUnavailable, kCorrupt.
  static Result<Database> open(const std::string& path);

  Database(Database&&) noexcept = default;
  Database& operator=(Database&&) noexcept = default;

  // Runs statements that return no rows of interest.
  Status execute(const char* sql);
  // The first column of the first row.
  Result<std::int64_t> query_int(const char* sql);
  Result<std::string> query_text(const char* sql);

  bool is_in_transaction() const;
  int changed_rows() const;                    // by the last statement
  std::int64_t last_insert_number() const;     // rowid of the last inserted row
  // What the last call on this connection complained about, with the reaction it asks for: kConflict (a constraint),
  // kUnavailable (full, read-only, I/O error, locked), kCorrupt, kTooLarge, kFailed.
  Error last_error() const;

  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  explicit Database(sqlite3* handle) : handle_(handle) {}
  std::unique_ptr<sqlite3, Close> handle_;
};

// A prepared statement, made at its first use. Its SQL and the database must outlive it.
class Statement {
 public:
  using Value = std::variant<std::int64_t, double, std::string>;

  Statement(Database& database, const char* sql) : database_(&database), sql_(sql) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  // Begins an execution with these values; texts are views that must live until the last step of it.
  template <class... Values>
  Status start(const Values&... values) {
    if (Status ready = prepare(); !ready.ok()) return ready;
    int index = 0;
    (bind(++index, values), ...);
    return {};
  }
  // The same for a number of values that is not known before.
  Status start_with(std::span<const Value> values);
  // start() and run to the end.
  template <class... Values>
  Status run(const Values&... values) {
    if (Status started = start(values...); !started.ok()) return started;
    return finish();
  }
  // The same with texts, or nulls, of a number that is not known before.
  Status run_with(std::span<const std::optional<std::string>> cells);
  // The next row: true when there is one. After false or an error the execution is over.
  Result<bool> next();
  // Steps to the end. Needed after start() unless next() has said false.
  Status finish();
  // Ends the execution where it is.
  void reset();

  // Columns of the current row, from 0. Texts live until the next step.
  std::int64_t integer(int column) const;
  int small_integer(int column) const { return static_cast<int>(integer(column)); }
  double real(int column) const;
  std::string_view text(int column) const;
  std::string string(int column) const { return std::string(text(column)); }
  bool is_null(int column) const;
  int column_count() const;
  Time time(int column) const { return Time(std::chrono::microseconds(integer(column))); }
  std::optional<Time> optional_time(int column) const;

 private:
  Status prepare();
  void bind(int index, std::string_view value);
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, std::int64_t value);
  void bind(int index, int value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, double value);  // NaN, which SQLite takes for null, becomes 0
  void bind(int index, Time value) { bind(index, static_cast<std::int64_t>(value.time_since_epoch().count())); }
  void bind(int index, std::nullopt_t);
  template <class T>
  void bind(int index, const std::optional<T>& value) {
    if (value) {
      bind(index, *value);
    } else {
      bind(index, std::nullopt);
    }
  }

  Database* database_;
  const char* sql_;
  sqlite3_stmt* handle_ = nullptr;
};

// A running execution that is reset when it goes out of scope, so that no early return keeps a read snapshot open.
class Rows {
 public:
  explicit Rows(Statement& statement) : statement_(statement) {}
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  ~Rows() { statement_.reset(); }

 private:
  Statement& statement_;
};

// Calls `each` for every row of a started statement; stops at its first error.
template <class Each>
Status for_rows(Statement& statement, Each each) {
  const Rows rows(statement);
  while (true) {
    const Result<bool> row = statement.next();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    if (Status done = each(); !done.ok()) return done;
  }
}

}  // namespace dynflow::persistence
