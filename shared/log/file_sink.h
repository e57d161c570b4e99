// The log file: each record is one write(2) on a descriptor that appends, so that nothing waits in a buffer, records of
// several processes do not mix, and children do not inherit it. Optionally rolls by size and age.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/fd.h"
#include "shared/base/result.h"

namespace dynflow::log {

struct Age {
  enum class Kind { kSeconds, kDaily, kWeekly, kMonthly };
  Kind kind = Kind::kWeekly;
  std::uint64_t seconds = 0;
};
Result<Age> parse_age(std::string_view text);

// Upstream rolls by date whenever it rolls: proxy.log becomes proxy.20261122-070223.log, and the file proxy.log.age
// carries the time of the last roll over restarts (logging 2.3, lib/logging/appenders/rolling_file.rb).
struct Rolling {
  std::uint64_t size;
  Age age;
  std::uint64_t keep;
};

class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  FileSink(std::string path, std::optional<Rolling> rolling, const Clock& clock)
      : path_(std::move(path)), rolling_(rolling), clock_(clock) {}

  // Opens the file, again if it is open; on failure a file that was open is closed.
  [[nodiscard]] Status open();
  const std::string& path() const { return path_; }

 private:
  // Throws spdlog::spdlog_ex, as sinks do, when the file cannot take the record.
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
  Status open_locked();
  void roll_if_due();
  bool is_aged() const;
  void remove_old_files() const;

  const std::string path_;
  const std::optional<Rolling> rolling_;
  const Clock& clock_;
  Fd fd_;
  std::uint64_t size_ = 0;     // of the file, as far as this process knows
  std::time_t rolled_at_ = 0;  // modification time of the .age file
};

}  // namespace dynflow::log
