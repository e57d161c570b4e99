#include "shared/persistence/plan_archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <system_error>

#include "shared/log/log.h"
#include "shared/persistence/files.h"

namespace dynflow::persistence {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;

struct Column {
  std::string_view name;
  std::string_view expression;
  bool is_time = false;  // microseconds since the epoch
};

struct TableSource {
  std::string_view file;
  std::span<const Column> columns;
  std::string_view from;
  std::string_view order;
};

// Names and order of the columns are those of Dynflow's tables at schema 25, without `data` (null there) and `step_ids` (steps.csv has them).
constexpr std::array kPlanColumns = {
    Column{"uuid", "p.id"},
    Column{"state", "p.state"},
    Column{"result", "p.result"},
    Column{"started_at", "p.started_at", true},
    Column{"ended_at", "p.ended_at", true},
    Column{"real_time", "p.real_time"},
    Column{"execution_time", "p.execution_time"},
    Column{"label", "nullif(p.label, '')"},
    Column{"class", "'Dynflow::ExecutionPlan'"},
    Column{"root_plan_step_id", "nullif(p.root_plan_step_id, 0)"},
    Column{"run_flow", "p.run_flow"},
    Column{"finalize_flow", "p.finalize_flow"},
    Column{"execution_history", "CASE p.history WHEN '' THEN '[]' ELSE p.history END"},
};
constexpr std::array kActionColumns = {
    Column{"execution_plan_uuid", "p.id"},
    Column{"id", "a.id"},
    Column{"caller_execution_plan_id", "nullif(a.caller_plan_id, '')"},
    Column{"caller_action_id", "nullif(a.caller_action_id, 0)"},
    Column{"class", "a.class"},
    Column{"plan_step_id", "nullif(a.plan_step_id, 0)"},
    Column{"run_step_id", "nullif(a.run_step_id, 0)"},
    Column{"finalize_step_id", "nullif(a.finalize_step_id, 0)"},
    Column{"input", "a.input"},
    Column{"output", "nullif(a.output, '')"},
};
constexpr std::array kStepColumns = {
    Column{"execution_plan_uuid", "p.id"},
    Column{"id", "s.id"},
    Column{"action_id", "s.action_id"},
    Column{"state", "s.state"},
    Column{"started_at", "s.started_at", true},
    Column{"ended_at", "s.ended_at", true},
    Column{"real_time", "s.real_time"},
    Column{"execution_time", "s.execution_time"},
    Column{"progress_done", "s.progress_done"},
    Column{"progress_weight", "s.progress_weight"},
    Column{"class", "'Dynflow::ExecutionPlan::Steps::' || s.phase || 'Step'"},
    Column{"action_class", "coalesce(s.class, a.class)"},
    Column{"queue", "nullif(s.queue, '')"},
    Column{"error", "nullif(s.error, '')"},
    Column{"children", "CASE s.children WHEN '' THEN '[]' ELSE s.children END"},
};
constexpr std::array kChunkColumns = {
    Column{"execution_plan_uuid", "p.id"},
    Column{"action_id", "c.action_id"},
    Column{"sequence", "c.sequence"},
    Column{"kind", "c.output_type"},
    Column{"timestamp", "c.timestamp", true},
    Column{"chunk", "c.output"},
};
// By Table.
const std::array<TableSource, PlanArchive::kTableCount> kTables = {{
    {"execution_plans.csv", kPlanColumns, "plans p", "p.number"},
    {"actions.csv", kActionColumns, "plans p JOIN actions a ON a.plan = p.number", "a.plan, a.id"},
    {"steps.csv", kStepColumns,
     "plans p JOIN steps s ON s.plan = p.number LEFT JOIN actions a ON a.plan = s.plan AND a.id = s.action_id", "s.plan, s.id"},
    {"output_chunks.csv", kChunkColumns, "plans p JOIN chunks c ON c.plan = p.number", "c.plan, c.action_id, c.sequence"},
}};

// As the CSV of Ruby quotes: what holds a separator, a quote or a line break, what begins or ends with a space, and the empty text, since nothing at all is null.
void append_field(std::string& line, std::string_view text) {
  const bool is_plain = !text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos && text.front() != ' ' &&
                        text.back() != ' ';
  if (is_plain) {
    line += text;
    return;
  }
  line += '"';
  for (const char c : text) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

void append_time(std::string& line, std::string_view microseconds) {
  std::int64_t count = 0;
  const auto parsed = std::from_chars(microseconds.data(), microseconds.data() + microseconds.size(), count);
  if (parsed.ec != std::errc() || count < 0) return append_field(line, microseconds);  // damaged: as it is
  line += fmt::format("{}{:03}", dynflow_time(Time(std::chrono::microseconds(count))), count % 1000);
}

std::string day_of(Time time) {
  std::string day = dynflow_time(time).substr(0, 10);  // "2026-11-22"
  std::erase(day, '-');
  return day;
}

}  // namespace

PlanArchive::PlanArchive(std::string folder, const Clock& clock) : folder_(std::move(folder)), clock_(clock) {}

std::string PlanArchive::query(Table table, const std::vector<std::int64_t>& numbers) {
  const TableSource& source = kTables[table];
  std::string sql = "SELECT ";
  for (const Column& column : source.columns) {
    fmt::format_to(std::back_inserter(sql), "{}CAST({} AS TEXT)", sql.size() > 7 ? ", " : "", column.expression);
  }
  return sql + fmt::format(" FROM {} WHERE p.number IN ({}) ORDER BY {}", source.from, fmt::join(numbers, ","), source.order);
}

Status PlanArchive::begin() {
  roll_back();
  day_path_ = fmt::format("{}/{}", folder_, day_of(clock_.now()));
  if (Status made = make_directories(day_path_); !made.ok()) return made;
  Fd day(::open(day_path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!day) return unavailable("cannot open", day_path_, errno);
  if (::flock(day.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error(Code::kUnavailable, fmt::format("another process writes to {}", day_path_));
    return unavailable("cannot lock", day_path_, errno);
  }
  day_ = std::move(day);
  return {};
}

Status PlanArchive::open(Table table) {
  File& file = files_[table];
  file.path = fmt::format("{}/{}", day_path_, kTables[table].file);
  auto opened = open_or_make(file.path);
  if (!opened.ok()) return opened.error();
  file.fd = std::move(*opened);
  const Result<off_t> length = complete_length(file);
  if (!length.ok()) return length.error();
  file.before = *length;
  if (::ftruncate(file.fd.get(), file.before) != 0 || ::lseek(file.fd.get(), file.before, SEEK_SET) < 0) {
    return unavailable("cannot write", file.path, errno);
  }
  if (file.before > 0) return {};
  for (const Column& column : kTables[table].columns) {
    if (!file.buffer.empty()) file.buffer += ',';
    file.buffer += column.name;
  }
  file.buffer += '\n';
  return {};
}

Result<off_t> PlanArchive::complete_length(const File& file) {
  const off_t length = ::lseek(file.fd.get(), 0, SEEK_END);
  if (length < 0) return unavailable("cannot read", file.path, errno);
  const auto known = known_lengths_.find(file.path);
  if (known != known_lengths_.end() && known->second == length) return length;
  // Of another process, which may have been killed in the middle of a row.
  off_t complete = 0;
  bool is_quoted = false;
  std::vector<char> bytes(kBufferBytes);
  for (off_t at = 0; at < length;) {
    const ssize_t got = ::pread(file.fd.get(), bytes.data(), bytes.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return unavailable("cannot read", file.path, got < 0 ? errno : EIO);
    for (ssize_t i = 0; i < got; ++i) {
      const char c = bytes[static_cast<std::size_t>(i)];
      if (c == '"') is_quoted = !is_quoted;
      if (c == '\n' && !is_quoted) complete = at + i + 1;
    }
    at += got;
  }
  return complete;
}

Status PlanArchive::add(Table table, const Row& row) {
  File& file = files_[table];
  if (!file.fd) {
    if (Status opened = open(table); !opened.ok()) return opened;
  }
  const std::span<const Column> columns = kTables[table].columns;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) file.buffer += ',';
    if (i >= row.size() || !row[i]) continue;
    columns[i].is_time ? append_time(file.buffer, *row[i]) : append_field(file.buffer, *row[i]);
  }
  file.buffer += '\n';
  return file.buffer.size() >= kBufferBytes ? write(file) : Status();
}

Status PlanArchive::write(File& file) {
  for (std::string_view rest = file.buffer; !rest.empty();) {
    const ssize_t done = ::write(file.fd.get(), rest.data(), rest.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return unavailable("cannot write", file.path, done < 0 ? errno : ENOSPC);
    rest.remove_prefix(static_cast<std::size_t>(done));
  }
  file.buffer.clear();
  return {};
}

Status PlanArchive::sync() {
  if (!day_) return Error(Code::kFailed, "no portion of the archive was begun");
  for (File& file : files_) {
    if (!file.fd) continue;
    if (Status written = write(file); !written.ok()) return written;
    if (::fdatasync(file.fd.get()) != 0) return unavailable("cannot write", file.path, errno);
  }
  if (::fsync(day_.get()) != 0) return unavailable("cannot write", day_path_, errno);
  const Fd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return unavailable("cannot write", folder_, errno);
  return {};
}

void PlanArchive::keep() {
  for (File& file : files_) {
    if (file.fd) known_lengths_[file.path] = ::lseek(file.fd.get(), 0, SEEK_CUR);
    file = {};
  }
  day_.reset();
}

void PlanArchive::roll_back() {
  for (File& file : files_) {
    if (file.fd && ::ftruncate(file.fd.get(), file.before) == 0) {
      known_lengths_[file.path] = file.before;
    } else if (file.fd) {
      // The rows stay: they are there twice then.
      log::warn({}, "{} keeps rows of plans that were not deleted: {}", file.path, std::system_category().message(errno));
      known_lengths_.erase(file.path);
    }
    file = {};
  }
  day_.reset();
}

}  // namespace dynflow::persistence
