// The way to syslog and to the journal: a datagram a record. Whoever logs never waits for who reads: while the daemon takes nothing, records wait in a
// bounded queue; what does not fit is lost, and a record in its place says how many.
//
// As long as the daemon takes records, each is with the kernel when log() returns: a crash of this process loses none.
//
// Threads: all methods may be called from any thread. A thread of its own sends what waits; it is started when something has to wait first.
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/deadline.h"
#include "shared/base/fd.h"
#include "shared/base/thread.h"

namespace dynflow::log {

class SystemSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  enum class Protocol { kSyslog, kJournal };
  // Longer records are cut with a mark: a datagram has to fit into the buffer of a socket.
  static constexpr std::size_t kLongestRecord = 64 * 1024;

  struct Options {
    Protocol protocol = Protocol::kSyslog;
    std::string socket;   // a datagram socket: /dev/log, /run/systemd/journal/socket
    std::string program;
    std::size_t most_waiting = std::size_t{4} * 1024 * 1024;  // bytes in the queue
    const Clock* clock = &system_clock();
  };

  explicit SystemSink(Options options);
  // Does not wait for the daemon: finish() does.
  ~SystemSink() override;

  const Options& options() const { return options_; }

  // Waits until the daemon took what waits, or for the deadline; ends the thread. How many records are lost then, or were before. What is logged
  // afterwards does not wait.
  std::uint64_t finish(Deadline deadline);

 private:
  enum class Sent { kYes, kLater, kNobodyThere };

  // Throws spdlog::spdlog_ex when there is no daemon; the record waits for one all the same.
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

  // The record as the protocol has it.
  std::string datagram(spdlog::level::level_enum level, std::string_view text) const;
  Sent send(const std::string& datagram);
  bool connect();
  // False when nothing could be sent.
  bool send_what_waits();
  void work();

  // All that follows is guarded by base_sink's mutex_.
  const Options options_;
  Fd fd_;  // used by the thread alone while records wait
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t lost_ = 0;  // since the last record that said so; while there are any, nothing is added to the queue
  bool is_ending_ = false;
  std::condition_variable changed_;
  NamedThread thread_;
};

}  // namespace dynflow::log
