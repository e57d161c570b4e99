// The log file: records go to a descriptor that appends, so that those of several processes do not mix, and children do not inherit it.
// Optionally rolls by size and age.
//
// As long as the disk takes records, each is with the kernel when log() returns: a crash of this process loses none. A disk that hangs holds up
// one thread at most, one that said it may wait (log/patience.h) or the sink's own. All others leave their records in a bounded queue, and the first
// of them wait for a moment in vain. What does not fit is lost, and a record in its place says how many.
//
// Threads: open() first; the rest from any thread. A thread of its own writes for those who may not wait; it is started when they log first.
#pragma once

#include <spdlog/sinks/sink.h>
#include <unistd.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/deadline.h"
#include "shared/base/fd.h"
#include "shared/base/result.h"
#include "shared/base/thread.h"

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

class FileSink final : public spdlog::sinks::sink {
 public:
  struct Options {
    std::string path;
    std::optional<Rolling> rolling = std::nullopt;
    const Clock* clock = &system_clock();
    // The record, without a line end, that says how many were lost.
    std::function<std::string(std::uint64_t lost)> loss = [](std::uint64_t lost) { return std::to_string(lost) + " log records were lost here"; };
    std::size_t most_waiting = std::size_t{4} * 1024 * 1024;  // bytes in the queue
    std::function<ssize_t(int, const void*, std::size_t)> write = ::write;
  };
  explicit FileSink(Options options) : options_(std::move(options)) {}
  // Waits for the disk, unless finish() was true.
  ~FileSink() override;

  // Once, before the first record.
  [[nodiscard]] Status open();
  const Options& options() const { return options_; }

  // Throws spdlog::spdlog_ex, as sinks do, when the file did not take a record, this one or one before.
  void log(const spdlog::details::log_msg& message) override;
  void flush() override {}
  // Records come formatted.
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  // Waits until the file took what waits, or for the deadline, and ends the thread. False: the disk hangs, and the sink must live as long as the
  // process. Who logs afterwards writes itself.
  bool finish(Deadline deadline);

 private:
  // With the lock held; the disk is written to without it.
  void write_what_waits(std::unique_lock<std::mutex>& lock);
  void work();
  // The rest is for who is_writing_. An empty text, or why not.
  std::string write_out(std::string records, std::uint64_t lost);
  void write_all(std::string_view text);
  Status open_file();
  void roll_if_due();
  bool is_aged() const;
  void remove_old_files() const;

  const Options options_;
  Fd fd_;
  std::uint64_t size_ = 0;     // of the file, as far as this process knows
  std::time_t rolled_at_ = 0;  // modification time of the .age file

  std::mutex mutex_;  // guards what follows
  std::condition_variable done_;  // something was written, while somebody waits for it
  std::condition_variable work_;  // for the thread
  std::string waiting_;           // whole lines
  std::uint64_t taken_ = 0;       // records, ever
  std::uint64_t written_ = 0;     // of these: written, or given up as the file refused them
  std::uint64_t lost_ = 0;        // since the last record that said so; while there are any, nothing is added to the queue
  std::size_t waiters_ = 0;
  bool is_writing_ = false;       // a thread is at the disk, and takes along what waits when it comes back
  bool is_hung_ = false;          // somebody waited for it in vain
  bool is_ending_ = false;
  std::optional<std::string> failure_;  // of a write; told to who logs next
  NamedThread thread_;
};

}  // namespace dynflow::log
