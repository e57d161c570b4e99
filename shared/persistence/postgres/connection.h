// A connection to PostgreSQL in pipeline mode: statements are queued, go to the server together, and are answered together.
//
// Threads: one at a time; the owner sees to it. No call blocks longer than its deadline, but for the look-up of a host's name.
#pragma once

#include <libpq-fe.h>

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/persistence/postgres/server_url.h"
#include "shared/persistence/postgres/values.h"

namespace dynflow::persistence::postgres {

// A statement that a connection prepares at its first use. Lives for ever: it is known by its address.
struct Statement {
  const char* sql;
};

// The answer to one statement.
class Rows {
 public:
  explicit Rows(PGresult* result) : result_(result) {}

  int count() const { return PQntuples(result_.get()); }
  int columns() const { return PQnfields(result_.get()); }
  // How many rows the statement has changed.
  std::size_t changed() const;

  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  // Texts live as long as these rows.
  std::string_view text(int row, int column) const;
  std::string string(int row, int column) const { return std::string(text(row, column)); }
  std::int64_t integer(int row, int column) const;
  int small_integer(int row, int column) const { return static_cast<int>(integer(row, column)); }
  double real(int row, int column) const;
  bool boolean(int row, int column) const { return integer(row, column) != 0; }
  Time time(int row, int column) const { return Time(std::chrono::microseconds(integer(row, column))); }
  std::optional<Time> optional_time(int row, int column) const;
  // The first column of all rows.
  std::vector<std::string> first_texts() const;
  // A text[] without nulls.
  std::vector<std::string> text_array(int row, int column) const;

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

// Why the last run() failed.
struct Failure {
  std::string sqlstate;    // empty when the connection was lost
  std::string constraint;  // that was violated
  std::size_t statement = 0;  // which of those queued, from 0
};

class Connection {
 public:
  // Connects and runs `setup`. Errors: kUnavailable; kInvalid when the server is of no use.
  static Result<Connection> open(const ServerUrl& url, const std::string& setup, Instant deadline);

  Connection(Connection&&) noexcept = default;
  Connection& operator=(Connection&&) noexcept = default;

  template <class... Values>
  void queue(const Statement& statement, const Values&... values) {
    const std::array<Parameter, sizeof...(Values)> parameters{Parameter(values)...};
    queue_prepared(statement, parameters);
  }
  // The first `column_count` columns of `table`, then `values`.
  void queue_columns(const Statement& statement, const Columns& table, std::size_t column_count,
                     std::span<const Parameter> values);
  // A statement of changing text; it is not prepared.
  void queue_text(const std::string& sql, std::span<const Parameter> values = {});
  void queue_prepared(const Statement& statement, std::span<const Parameter> values);

  // Statements queued since the last run().
  std::size_t queued() const;

  // Sends what is queued and waits for all answers, one for each statement. Unless a transaction was begun, all of it is one
  // transaction. At the first error the rest is not run. Errors: those of Store, by SQLSTATE, and kUnavailable when
  // the connection is lost: then nothing is known about what the server has done.
  Result<std::vector<Rows>> run(Instant deadline);
  const Failure& failure() const { return failure_; }
  // For ever; make a new one.
  bool is_lost() const { return is_lost_; }

  // Waits for notifications and takes them from the connection: payloads and the processes that sent them. Nothing at the
  // deadline. Returns also when `wake_fd` is readable. kUnavailable: lost.
  struct Notification {
    std::string payload;
    int sender = 0;
  };
  Result<std::vector<Notification>> wait_for_notifications(int wake_fd, Instant deadline);

  int backend() const { return PQbackendPID(handle_.get()); }

 private:
  struct Finish {
    void operator()(PGconn* handle) const { PQfinish(handle); }
  };
  struct Sent {
    const Statement* prepares = nullptr;  // the answer tells whether it is prepared
  };

  Connection(PGconn* handle, const ServerUrl& url) : handle_(handle), url_(&url) {}
  Status connect(Instant deadline);
  Status set_up(const std::string& setup, Instant deadline);
  // True when the socket is ready; false at the deadline.
  bool wait(short events, Instant deadline) const;
  // Until an answer has come. False when there will be none.
  bool wait_for_answer(Instant deadline);
  Error lose(std::string_view why);
  Error note_failure(const PGresult* result, std::size_t statement);
  void prepare(const Statement& statement);

  std::unique_ptr<PGconn, Finish> handle_;
  const ServerUrl* url_;
  std::vector<Sent> sent_;
  std::set<const Statement*> prepared_;  // also those whose preparation is queued
  Failure failure_;
  bool is_lost_ = false;
};

}  // namespace dynflow::persistence::postgres
