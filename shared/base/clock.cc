#include "shared/base/clock.h"

#include <cmath>
#include <cstdio>
#include <ctime>
#include <string_view>

namespace dynflow {
namespace {

class SystemClock final : public Clock {
 public:
  Time now() const override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  }
  Instant instant() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

VirtualClock::VirtualClock() : VirtualClock(Time(std::chrono::seconds(1767225600))) {}
VirtualClock::VirtualClock(Time start) : now_(start), instant_(Instant(std::chrono::hours(1))) {}

Time VirtualClock::now() const {
  std::lock_guard lock(mutex_);
  return now_;
}

Instant VirtualClock::instant() const {
  std::lock_guard lock(mutex_);
  return instant_;
}

void VirtualClock::advance(Duration by) {
  std::lock_guard lock(mutex_);
  now_ += std::chrono::duration_cast<std::chrono::microseconds>(by);
  instant_ += by;
}

std::string dynflow_time(Time time) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(ms >= 0 ? ms / 1000 : (ms - 999) / 1000);
  std::tm tm{};
  ::gmtime_r(&seconds, &tm);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d.%03d", tm.tm_year + 1900, tm.tm_mon + 1,
                tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, static_cast<int>(ms - seconds * 1000));
  return text;
}

std::optional<Time> parse_dynflow_time(std::string_view text) {
  const std::string copy(text);
  std::tm tm{};
  int ms = 0;
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2d %2d:%2d:%2d.%3d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                  &tm.tm_sec, &ms) < 6) {
    return std::nullopt;
  }
  tm.tm_year -= 1900;
  tm.tm_mon -= 1;
  const Time time(std::chrono::seconds(::timegm(&tm)) + std::chrono::milliseconds(ms));
  // 31 February is read as 3 March, and numbers may have had signs or blanks.
  std::string shown = dynflow_time(time);
  if (text == shown) return time;
  shown.resize(std::string_view("2026-11-22 06:52:28").size());
  return text == shown ? std::optional(time) : std::nullopt;
}

double to_unix_seconds(Time time) { return static_cast<double>(time.time_since_epoch().count()) / 1e6; }

Time from_unix_seconds(double seconds) {
  return Time(std::chrono::microseconds(static_cast<std::int64_t>(std::llround(seconds * 1e6))));
}

}  // namespace dynflow
