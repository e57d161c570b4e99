// Time as a service, so that tests run on virtual time.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace dynflow {

// Wall-clock instants with microseconds, UTC. What is stored and shown.
using Time = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;
// Monotonic instants. What deadlines and timers use.
using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual Instant instant() const = 0;
};

// The machine's clocks. The object lives for ever.
const Clock& system_clock();

// A clock that moves only when told. Starts at 2026-01-01 00:00:00 UTC unless told otherwise.
class VirtualClock final : public Clock {
 public:
  VirtualClock();
  explicit VirtualClock(Time start);
  Time now() const override;
  Instant instant() const override;
  void advance(Duration by);

 private:
  mutable std::mutex mutex_;
  Time now_;
  Instant instant_;
};

// "2026-11-22 06:52:28.146": UTC, milliseconds cut off, no zone mark
// (Dynflow 2.0.0, lib/dynflow/serializable.rb; spec/dynflow-engine 22.3).
std::string dynflow_time(Time time);
// The inverse; also takes whole seconds. Nothing when `text` is not of that form.
std::optional<Time> parse_dynflow_time(std::string_view text);

// Seconds since the epoch, with microseconds as the fraction.
double to_unix_seconds(Time time);
Time from_unix_seconds(double seconds);
inline double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace dynflow
