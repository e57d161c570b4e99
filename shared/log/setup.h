// Where records go, how they look, and what happens to them at run time. For programs; modules use log/log.h.
//
// Threads: everything may be called from any thread, but not from a signal handler.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/log/buffer.h"
#include "shared/log/log.h"

namespace dynflow::log {

inline constexpr std::string_view kFilePattern = "%d %.8X{request} [%.1l] %m";
inline constexpr std::string_view kSystemPattern = "%m";

struct Options {
  Level level = Level::kInfo;
  // A path, or in any case STDOUT, STDERR, SYSLOG (facility local5), JOURNAL, JOURNALD.
  std::string target = "STDOUT";
  std::string file_pattern = std::string(kFilePattern);      // for files, STDOUT and STDERR; see log/pattern.h
  std::string system_pattern = std::string(kSystemPattern);  // for SYSLOG and JOURNAL
  std::uint64_t rolling_size = 0;                            // bytes; 0: no rolling, somebody else rotates
  std::string rolling_age = "weekly";                        // seconds, daily, weekly or monthly; when size > 0
  std::uint64_t rolling_keep = 6;                            // old files; when size > 0
  std::string program = "foreman-proxy";
  std::shared_ptr<Buffer> buffer = nullptr;  // owners: the program, who shows it, and the logger
  std::string syslog_socket = "/dev/log";
  std::string journal_socket = "/run/systemd/journal/socket";
  const Clock* clock = &system_clock();
};

// Replaces the whole set-up; records written meanwhile go to the old or to the new target. A file that cannot be
// written and a journal that is not there are no errors: records go to standard output, after a warning with
// upstream's words (smart-proxy 3.11, lib/proxy/log.rb:36-57). kInvalid: a pattern or age that means nothing.
[[nodiscard]] Status configure(const Options& options);

// At the end of a program: waits until syslog, the journal or the file's disk took what waits for them, for this long at most.
void finish(Duration patience);

// What USR1 asks for: opens the file anew and says so. Unlike upstream's it takes effect at once and later records
// are not held back in a buffer. A file that had to be given up for standard output is tried again.
void reopen();

void set_level(Level level);
Level level();

// DEBUG INFO WARN ERROR FATAL in any case. ALL means debug; UNKNOWN and OFF, which upstream takes too, mean fatal.
Result<Level> parse_level(std::string_view name);
// "DEBUG", "INFO", ...
std::string_view to_string(Level level);

}  // namespace dynflow::log
