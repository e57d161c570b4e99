#include "shared/persistence/postgres/connection.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace dynflow::persistence::postgres {
namespace {

// PostgreSQL 13 has all that is used here; 14 ended what was before it.
constexpr int kOldestServer = 130000;
constexpr int kBinary = 1;

std::string_view trimmed(const char* text) {
  std::string_view line = text == nullptr ? "" : text;
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  return line;
}

std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(line.begin(), line.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return line;
}

// What a caller can do about it; appendix A of PostgreSQL's manual.
Code code_of(std::string_view sqlstate) {
  const auto is_of_class = [&](std::string_view name) { return sqlstate.starts_with(name); };
  if (sqlstate == "DF001") return Code::kClosed;
  if (sqlstate == "DF002") return Code::kNotFound;
  if (sqlstate == "23505") return Code::kConflict;
  if (is_of_class("54")) return Code::kTooLarge;
  if (is_of_class("XX")) return Code::kCorrupt;
  // Connections, resources, operators, files, passwords, rights, a read-only server, a database that is not there; and
  // what another transaction was in the way of.
  for (const std::string_view unavailable : {"08", "28", "3D", "40", "53", "55", "57", "58", "25006", "42501"}) {
    if (is_of_class(unavailable)) return Code::kUnavailable;
  }
  return Code::kFailed;
}

bool ends_connection(std::string_view sqlstate) {
  return sqlstate == "57P01" || sqlstate == "57P02" || sqlstate == "57P03" || sqlstate == "57P05" || sqlstate == "25P03" ||
         sqlstate.starts_with("08");
}

std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

bool is_answer(ExecStatusType status) { return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK; }

}  // namespace

std::size_t Rows::changed() const {
  return static_cast<std::size_t>(std::strtoull(PQcmdTuples(result_.get()), nullptr, 10));
}

std::string_view Rows::text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::int64_t Rows::integer(int row, int column) const {
  const std::string_view bytes = text(row, column);
  const std::uint64_t value = read_big_endian(bytes);
  if (bytes.size() == 4) return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
  if (bytes.size() == 2) return static_cast<std::int16_t>(static_cast<std::uint16_t>(value));
  return static_cast<std::int64_t>(value);
}

double Rows::real(int row, int column) const { return std::bit_cast<double>(read_big_endian(text(row, column))); }

std::optional<Time> Rows::optional_time(int row, int column) const {
  return is_null(row, column) ? std::nullopt : std::optional(time(row, column));
}

std::vector<std::string> Rows::first_texts() const {
  std::vector<std::string> texts;
  for (int row = 0; row < count(); ++row) texts.push_back(string(row, 0));
  return texts;
}

// src/backend/utils/adt/arrayfuncs.c, array_send.
std::vector<std::string> Rows::text_array(int row, int column) const {
  constexpr std::size_t kHeader = 20;  // of an array of one dimension; an empty one has none
  std::string_view bytes = text(row, column);
  std::vector<std::string> texts;
  bytes.remove_prefix(std::min(kHeader, bytes.size()));
  while (bytes.size() >= 4) {
    const std::size_t size = read_big_endian(bytes.substr(0, 4));
    texts.emplace_back(bytes.substr(4, size));
    bytes.remove_prefix(std::min(4 + size, bytes.size()));
  }
  return texts;
}

Result<Connection> Connection::open(const ServerUrl& url, const std::string& setup, Instant deadline) {
  // What comes before "dbname", which holds the URL, may be said otherwise there. A peer that is gone is noticed within about
  // half a minute.
  constexpr std::array<const char*, 8> kKeywords = {"fallback_application_name", "keepalives_idle", "keepalives_interval",
                                                    "keepalives_count",          "tcp_user_timeout", "dbname",
                                                    "client_encoding",           nullptr};
  const std::array<const char*, 8> values = {"dynflow", "15", "5", "3", "30000", url.text().c_str(), "UTF8", nullptr};
  Connection connection(PQconnectStartParams(kKeywords.data(), values.data(), 1), url);
  if (!connection.handle_) return Error(Code::kUnavailable, "no memory for a connection");
  // By default they go to standard error.
  PQsetNoticeProcessor(connection.handle_.get(), [](void*, const char*) {}, nullptr);
  if (Status connected = connection.connect(deadline); !connected.ok()) return connected.error();
  if (Status ready = connection.set_up(setup, deadline); !ready.ok()) return ready.error();
  return connection;
}

Status Connection::connect(Instant deadline) {
  short events = POLLOUT;
  while (PQstatus(handle_.get()) != CONNECTION_BAD) {
    if (!wait(events, deadline)) return lose("no answer in time");
    switch (PQconnectPoll(handle_.get())) {
      case PGRES_POLLING_OK: return {};
      case PGRES_POLLING_READING: events = POLLIN; break;
      case PGRES_POLLING_WRITING: events = POLLOUT; break;
      default: return lose(trimmed(PQerrorMessage(handle_.get())));
    }
  }
  return lose(trimmed(PQerrorMessage(handle_.get())));
}

Status Connection::set_up(const std::string& setup, Instant deadline) {
  if (PQserverVersion(handle_.get()) < kOldestServer) {
    return Error(Code::kInvalid, fmt::format("PostgreSQL {} is too old: 13 or later is needed",
                                             PQserverVersion(handle_.get()) / 10000));
  }
  const char* encoding = PQparameterStatus(handle_.get(), "server_encoding");
  if (encoding == nullptr || std::string_view(encoding) != "UTF8") {
    return Error(Code::kInvalid, fmt::format("the database has the encoding {}: UTF8 is needed",
                                             encoding == nullptr ? "unknown" : encoding));
  }
  if (PQsetnonblocking(handle_.get(), 1) != 0 || PQenterPipelineMode(handle_.get()) != 1) {
    return lose(trimmed(PQerrorMessage(handle_.get())));
  }
  queue_text(setup);
  const Result<std::vector<Rows>> done = run(deadline);
  return done.ok() ? Status() : Status(done.error());
}

bool Connection::wait(short events, Instant deadline) const {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd entry{PQsocket(handle_.get()), events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
    if (ready > 0) return true;
    if (ready == 0 && left <= 0) return false;
    if (ready < 0 && errno != EINTR) return true;  // the next use of the socket says what is wrong
  }
}

void Connection::prepare(const Statement& statement) {
  if (!prepared_.insert(&statement).second) return;
  const std::string name = fmt::format("s{}", fmt::ptr(&statement));
  if (PQsendPrepare(handle_.get(), name.c_str(), statement.sql, 0, nullptr) != 1) is_lost_ = true;
  sent_.push_back({&statement});
}

void Connection::queue_prepared(const Statement& statement, std::span<const Parameter> values) {
  prepare(statement);
  std::vector<const char*> data;
  std::vector<int> sizes;
  for (const Parameter& value : values) {
    data.push_back(value.data() == nullptr ? "" : value.data());
    sizes.push_back(value.size());
  }
  const std::vector<int> formats(values.size(), kBinary);
  const std::string name = fmt::format("s{}", fmt::ptr(&statement));
  const int sent = PQsendQueryPrepared(handle_.get(), name.c_str(), static_cast<int>(values.size()), data.data(),
                                       sizes.data(), formats.data(), kBinary);
  if (sent != 1) is_lost_ = true;
  sent_.push_back({});
}

void Connection::queue_columns(const Statement& statement, const Columns& table, std::size_t column_count,
                               std::span<const Parameter> values) {
  std::vector<Parameter> all;
  all.reserve(column_count + values.size());
  for (std::size_t i = 0; i < column_count; ++i) all.emplace_back(table.list()[i]);
  all.insert(all.end(), values.begin(), values.end());
  queue_prepared(statement, all);
}

void Connection::queue_text(const std::string& sql, std::span<const Parameter> values) {
  std::vector<const char*> data;
  std::vector<int> sizes;
  for (const Parameter& value : values) {
    data.push_back(value.data() == nullptr ? "" : value.data());
    sizes.push_back(value.size());
  }
  const std::vector<int> formats(values.size(), kBinary);
  const int sent = PQsendQueryParams(handle_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr, data.data(),
                                     sizes.data(), formats.data(), kBinary);
  if (sent != 1) is_lost_ = true;
  sent_.push_back({});
}

std::size_t Connection::queued() const {
  return static_cast<std::size_t>(
      std::count_if(sent_.begin(), sent_.end(), [](const Sent& one) { return one.prepares == nullptr; }));
}

bool Connection::wait_for_answer(Instant deadline) {
  while (PQisBusy(handle_.get()) != 0) {
    const int unsent = PQflush(handle_.get());
    // After a failed write there may still be the server's parting words to read.
    const short events = unsent == 1 ? POLLIN | POLLOUT : POLLIN;
    if (!wait(events, deadline)) return false;
    if (PQconsumeInput(handle_.get()) != 1) return false;
  }
  return true;
}

Result<std::vector<Rows>> Connection::run(Instant deadline) {
  const std::vector<Sent> sent = std::exchange(sent_, {});
  failure_ = {};
  if (is_lost_ || PQpipelineSync(handle_.get()) != 1) return lose(trimmed(PQerrorMessage(handle_.get())));
  std::vector<Rows> answers;
  std::optional<Error> error;
  std::size_t next = 0;        // of `sent`
  std::size_t statements = 0;  // those of the caller
  while (true) {
    if (!wait_for_answer(deadline)) {
      Error lost = lose(std::chrono::steady_clock::now() >= deadline ? "no answer in time"
                                                                     : trimmed(PQerrorMessage(handle_.get())));
      return error.value_or(std::move(lost));
    }
    PGresult* result = PQgetResult(handle_.get());
    if (result == nullptr) {  // between two statements
      if (PQstatus(handle_.get()) == CONNECTION_BAD) {
        Error lost = lose(trimmed(PQerrorMessage(handle_.get())));
        return error.value_or(std::move(lost));
      }
      continue;
    }
    Rows rows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) break;
    const bool is_known = next < sent.size();
    const Statement* prepares = is_known ? sent[next].prepares : nullptr;
    ++next;
    if (is_answer(status)) {
      if (prepares == nullptr) answers.push_back(std::move(rows));
    } else {
      if (prepares != nullptr) prepared_.erase(prepares);
      if (!error && status != PGRES_PIPELINE_ABORTED) error = note_failure(result, statements);
      if (is_lost_) return *error;
    }
    if (prepares == nullptr) ++statements;
  }
  if (error) return *error;
  return answers;
}

Error Connection::note_failure(const PGresult* result, std::size_t statement) {
  const auto field = [&](int name) {
    const char* text = PQresultErrorField(result, name);
    return std::string(text == nullptr ? "" : text);
  };
  const std::string sqlstate = field(PG_DIAG_SQLSTATE);
  // Without a code it is libpq that speaks, about the connection.
  if (sqlstate.empty() || ends_connection(sqlstate)) {
    return lose(sqlstate.empty() ? trimmed(PQresultErrorMessage(result)) : field(PG_DIAG_MESSAGE_PRIMARY));
  }
  failure_ = {sqlstate, field(PG_DIAG_CONSTRAINT_NAME), statement};
  return {code_of(sqlstate), url_->without_password(one_line(field(PG_DIAG_MESSAGE_PRIMARY)))};
}

Error Connection::lose(std::string_view why) {
  is_lost_ = true;
  failure_ = {};
  return {Code::kUnavailable, url_->without_password(one_line(why.empty() ? "the connection was closed" : why))};
}

Result<std::vector<Connection::Notification>> Connection::wait_for_notifications(int wake_fd, Instant deadline) {
  std::vector<Notification> notifications;
  while (true) {
    if (PQconsumeInput(handle_.get()) != 1) return lose(trimmed(PQerrorMessage(handle_.get())));
    while (PGnotify* notify = PQnotifies(handle_.get())) {
      notifications.push_back({notify->extra, notify->be_pid});
      PQfreemem(notify);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (!notifications.empty() || left <= 0) return notifications;
    std::array<pollfd, 2> entries = {{{PQsocket(handle_.get()), POLLIN, 0}, {wake_fd, POLLIN, 0}}};
    ::poll(entries.data(), entries.size(), static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (entries[1].revents != 0) return notifications;
  }
}

}  // namespace dynflow::persistence::postgres
