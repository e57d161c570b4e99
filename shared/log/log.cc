#include "shared/log/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <optional>
#include <vector>

#include "shared/log/file_sink.h"
#include "shared/log/pattern.h"
#include "shared/log/setup.h"
#include "shared/log/system_sink.h"
#include "shared/log/text.h"

namespace dynflow::log {

namespace {

constexpr std::array<std::string_view, 5> kNames = {"DEBUG", "INFO", "WARN", "ERROR", "FATAL"};

// What waits for the system's log, or for a disk, when records go elsewhere from now on.
constexpr Duration kPatienceAtChange = std::chrono::seconds(1);

enum class Target { kFile, kStdout, kStderr, kSyslog, kJournal };

// One set-up. Never changes once made; replaced as a whole.
struct Outlet {
  Target target;
  spdlog::sink_ptr sink;           // where records go now
  std::shared_ptr<FileSink> file;  // of kFile, also while its records go to standard output instead
  std::shared_ptr<SystemSink> system;  // of kSyslog and kJournal
  Pattern pattern;
  Pattern fallback_pattern;  // for standard output when the target cannot be had
  std::string program;
  std::shared_ptr<Buffer> buffer;
  const Clock* clock;
};

// Lines come formatted; consoles want the newline added.
class LineFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    out.append(message.payload.data(), message.payload.data() + message.payload.size());
    out.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<LineFormatter>(); }
};

template <class Sink>
spdlog::sink_ptr make_console() {
  auto sink = std::make_shared<Sink>();
  sink->set_formatter(std::make_unique<LineFormatter>());
  return sink;
}
spdlog::sink_ptr make_stdout() { return make_console<spdlog::sinks::stdout_sink_mt>(); }

std::shared_ptr<const Outlet> first_outlet() {
  const Clock& clock = system_clock();
  const Pattern pattern = Pattern::parse(kFilePattern, clock.now()).value();
  return std::make_shared<const Outlet>(Outlet{Target::kStderr, make_console<spdlog::sinks::stderr_sink_mt>(), nullptr, nullptr,
                                               pattern, pattern, {}, nullptr, &clock});
}

// Logging is the one service that every function may use without being handed it. The object is never destroyed,
// because threads may still log while the program ends.
struct Logger {
  std::atomic<Level> level = Level::kWarn;
  std::atomic<bool> has_complained = false;  // about a sink that takes no records; once until the next set-up
  std::mutex mutex;                          // guards what follows, not what it points to
  std::shared_ptr<const Outlet> outlet = first_outlet();
  std::vector<std::shared_ptr<const Outlet>> hung;  // of before, whose disks did not let go of them; kept for ever

  std::shared_ptr<const Outlet> current() {
    const std::lock_guard lock(mutex);
    return outlet;
  }
  void replace(std::shared_ptr<const Outlet> with) {
    const std::lock_guard lock(mutex);
    std::swap(outlet, with);
  }
};

Logger& logger() {
  static Logger& instance = *new Logger;
  return instance;
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kFatal:
      return spdlog::level::critical;
  }
  return spdlog::level::err;
}

// `message` and `lines` are clean already.
void deliver(const Outlet& outlet, Level level, const Context& context, std::string message, std::string lines) {
  try {
    const Time now = outlet.clock->now();
    std::string shown = outlet.pattern.format({now, level, context, message, outlet.program});
    if (!lines.empty()) shown += "\n" + lines;
    if (outlet.buffer) {
      const std::string id = to_one_line(context.request_id.substr(0, 8));
      outlet.buffer->push({now, level, std::move(message), std::move(lines), id});
    }
    outlet.sink->log(spdlog::details::log_msg(outlet.program, spdlog_level(level), shown));
    outlet.sink->flush();
  } catch (const std::exception& problem) {
    // A full disk must not stop the work. The record is still in the buffer; the journal gets one complaint.
    if (!logger().has_complained.exchange(true)) std::fprintf(stderr, "cannot write to the log: %s\n", problem.what());
  }
}

bool is_word(std::string_view text, std::string_view upper) {
  return std::equal(text.begin(), text.end(), upper.begin(), upper.end(),
                    [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; });
}

Target target_of(std::string_view name) {
  if (is_word(name, "STDOUT")) return Target::kStdout;
  if (is_word(name, "STDERR")) return Target::kStderr;
  if (is_word(name, "SYSLOG")) return Target::kSyslog;
  if (is_word(name, "JOURNAL") || is_word(name, "JOURNALD")) return Target::kJournal;
  return Target::kFile;
}

std::string file_fallback_text(const std::string& path, const Error& error) {
  return fmt::format("Log file {} cannot be opened. Falling back to STDOUT: {}", path, error.message());
}

// A way to the system's log; that of before when it leads to the same place, so that nothing that waits in it gets lost.
void take_system_sink(Outlet& outlet, const Outlet& before, SystemSink::Protocol protocol, const std::string& socket) {
  const SystemSink* const old = before.system.get();
  const bool is_same = old != nullptr && old->options().protocol == protocol && old->options().socket == socket && old->options().program == outlet.program;
  outlet.system = is_same ? before.system : std::make_shared<SystemSink>(SystemSink::Options{.protocol = protocol, .socket = socket, .program = outlet.program, .clock = outlet.clock});
  outlet.sink = outlet.system;
}

void tell_loss(const Outlet& outlet, std::uint64_t lost) {
  if (lost > 0) deliver(outlet, Level::kWarn, {}, fmt::format("{} log records were lost: the system's log did not take them", lost), {});
}

// In the pattern of `outlet`.
FileSink::Options file_options(const Outlet& outlet, const std::string& path, std::optional<Rolling> rolling) {
  const auto loss = [pattern = outlet.pattern, program = outlet.program, clock = outlet.clock](std::uint64_t lost) {
    const std::string text = fmt::format("{} log records were lost here: the disk took none", lost);
    return pattern.format({clock->now(), Level::kWarn, {}, text, program});
  };
  return {.path = path, .rolling = rolling, .clock = outlet.clock, .loss = loss};
}

// What was the set-up until now has its last records written.
void let_go(const std::shared_ptr<const Outlet>& before, const Outlet& now) {
  if (before->system && before->system != now.system) tell_loss(now, before->system->finish(Deadline::after(kPatienceAtChange)));
  if (!before->file || before->file == now.file || before->file->finish(Deadline::after(kPatienceAtChange))) return;
  const std::lock_guard lock(logger().mutex);
  logger().hung.push_back(before);
}

// The same set-up with records going to standard output.
Outlet to_stdout(Outlet outlet) {
  outlet.sink = make_stdout();
  outlet.pattern = outlet.fallback_pattern;
  return outlet;
}

}  // namespace

bool is_enabled(Level level) { return level >= logger().level.load(std::memory_order_relaxed); }

void write(Level level, const Context& context, std::string_view message) {
  if (is_enabled(level)) deliver(*logger().current(), level, context, to_one_line(message), {});
}

void write_with_lines(Level level, const Context& context, std::string_view message, std::string_view lines) {
  if (!is_enabled(level)) return;
  deliver(*logger().current(), level, context, to_one_line(message), to_indented_lines(lines));
}

Status configure(const Options& options) {
  const Time now = options.clock->now();
  const auto file_pattern = Pattern::parse(options.file_pattern, now);
  if (!file_pattern.ok()) return file_pattern.error();
  const auto system_pattern = Pattern::parse(options.system_pattern, now);
  if (!system_pattern.ok()) return system_pattern.error();
  std::optional<Rolling> rolling;
  if (options.rolling_size > 0) {
    const auto age = parse_age(options.rolling_age);
    if (!age.ok()) return age.error();
    rolling = Rolling{options.rolling_size, *age, options.rolling_keep};
  }

  const Target target = target_of(options.target);
  const bool is_system = target == Target::kSyslog || target == Target::kJournal;
  Outlet outlet{target,        nullptr,         nullptr,        nullptr, is_system ? *system_pattern : *file_pattern,
                *file_pattern, options.program, options.buffer, options.clock};
  std::string warning;
  const auto before = logger().current();
  switch (target) {
    case Target::kStdout:
      outlet.sink = make_stdout();
      break;
    case Target::kStderr:
      outlet.sink = make_console<spdlog::sinks::stderr_sink_mt>();
      break;
    case Target::kSyslog:
      take_system_sink(outlet, *before, SystemSink::Protocol::kSyslog, options.syslog_socket);
      break;
    case Target::kJournal:
      if (access(options.journal_socket.c_str(), W_OK) == 0) {
        take_system_sink(outlet, *before, SystemSink::Protocol::kJournal, options.journal_socket);
      } else {
        outlet = to_stdout(std::move(outlet));
        warning = "Journald is not available on this platform. Falling back to STDOUT.";
      }
      break;
    case Target::kFile:
      outlet.file = std::make_shared<FileSink>(file_options(outlet, options.target, rolling));
      outlet.sink = outlet.file;
      if (const Status opened = outlet.file->open(); !opened.ok()) {
        outlet = to_stdout(std::move(outlet));
        warning = file_fallback_text(options.target, opened.error());
      }
      break;
  }
  const auto made = std::make_shared<const Outlet>(std::move(outlet));
  logger().replace(made);
  logger().has_complained = false;
  set_level(options.level);
  let_go(before, *made);
  // Whatever the level: somebody will look for the log where it is not.
  if (!warning.empty()) deliver(*made, Level::kWarn, {}, to_one_line(warning), {});
  return {};
}

void finish(Duration patience) {
  const auto now = logger().current();
  if (now->system) now->system->finish(Deadline::after(patience));
  if (now->file) now->file->finish(Deadline::after(patience));
}

void reopen() {
  const auto before = logger().current();
  if (before->file) {
    Outlet outlet = *before;
    outlet.file = std::make_shared<FileSink>(before->file->options());
    const Status opened = outlet.file->open();
    if (opened.ok()) {
      outlet.sink = outlet.file;
    } else {
      outlet = to_stdout(std::move(outlet));
    }
    const auto made = std::make_shared<const Outlet>(std::move(outlet));
    logger().replace(made);
    logger().has_complained = false;
    let_go(before, *made);
    if (!opened.ok()) {
      const std::string text = file_fallback_text(before->file->options().path, opened.error());
      return deliver(*made, Level::kWarn, {}, to_one_line(text), {});
    }
  }
  info({}, "Logging file reopened via USR1 signal");
}

void set_level(Level level) { logger().level = level; }
Level level() { return logger().level; }

Result<Level> parse_level(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (is_word(name, kNames[i])) return static_cast<Level>(i);
  }
  if (is_word(name, "ALL")) return Level::kDebug;
  if (is_word(name, "UNKNOWN") || is_word(name, "OFF")) return Level::kFatal;
  return Error(Code::kInvalid, "log level must be DEBUG, INFO, WARN, ERROR or FATAL");
}

std::string_view to_string(Level level) { return kNames.at(static_cast<std::size_t>(level)); }

}  // namespace dynflow::log
