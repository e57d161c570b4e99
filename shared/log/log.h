// Log records with a request id and a task id. Sinks and patterns are set up once by the program (log/setup.h);
// until then records from warn on go to standard error.
//
// Threads: everything may be called from any thread. A record is formatted in the caller's thread and never blocks
// on a sink longer than one write(2) to a file or to standard output; on syslog and the journal not at all.
//
// error = somebody must act; warn = we coped; info = life cycle; debug = for developers.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace dynflow::log {

enum class Level { kDebug, kInfo, kWarn, kError, kFatal };

// What a record is about. Cheap to copy; views must outlive the call only.
struct Context {
  std::string_view request_id = {};  // empty: outside any request
  std::string_view task_id = {};     // empty: about no task; shown where a pattern has %X{task}
  std::string_view session_id = {};  // X-Session-Id of the request
};

bool is_enabled(Level level);

// Whatever `message` holds, it stays one line of valid UTF-8: control characters are shown escaped.
void write(Level level, const Context& context, std::string_view message);

// The same with the lines of a backtrace or of quoted output below the message, indented, so that none of them can
// pass for a record of its own.
void write_with_lines(Level level, const Context& context, std::string_view message, std::string_view lines);

template <class... Args>
void emit(Level level, const Context& context, fmt::format_string<Args...> format, Args&&... args) {
  if (is_enabled(level)) write(level, context, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void debug(const Context& c, fmt::format_string<Args...> f, Args&&... a) {
  emit(Level::kDebug, c, f, std::forward<Args>(a)...);
}
template <class... Args>
void info(const Context& c, fmt::format_string<Args...> f, Args&&... a) {
  emit(Level::kInfo, c, f, std::forward<Args>(a)...);
}
template <class... Args>
void warn(const Context& c, fmt::format_string<Args...> f, Args&&... a) {
  emit(Level::kWarn, c, f, std::forward<Args>(a)...);
}
template <class... Args>
void error(const Context& c, fmt::format_string<Args...> f, Args&&... a) {
  emit(Level::kError, c, f, std::forward<Args>(a)...);
}
template <class... Args>
void fatal(const Context& c, fmt::format_string<Args...> f, Args&&... a) {
  emit(Level::kFatal, c, f, std::forward<Args>(a)...);
}

}  // namespace dynflow::log
