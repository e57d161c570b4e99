#include "shared/engine/concurrency.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "shared/json/json.h"

namespace dynflow::engine {

namespace {

constexpr const char* kSection = "dynflow";
constexpr const char* kLevel = "concurrency_limit";
constexpr const char* kDistribution = "time_distribution";
constexpr double kMaxSeconds = 1e9;

Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::clamp(seconds, 0.0, kMaxSeconds)));
}

}  // namespace

std::size_t Semaphore::get(std::size_t count) {
  if (!free_) return count;
  const std::size_t got = std::min(count, *free_);
  *free_ -= got;
  return got;
}

void Semaphore::release(std::size_t count) {
  if (!free_) return;
  *free_ += count;
  if (tickets_) *free_ = std::min(*free_, *tickets_);
}

std::size_t Semaphore::drain() { return free_ ? std::exchange(*free_, 0) : 0; }

std::size_t SemaphoreGroup::get(std::size_t count) {
  const std::size_t got = std::min(count, free().value_or(count));
  for (Semaphore& member : members_) member.get(got);
  return got;
}

void SemaphoreGroup::release(std::size_t count) {
  for (Semaphore& member : members_) member.release(count);
}

std::size_t SemaphoreGroup::drain() { return get(free().value_or(0)); }

std::optional<std::size_t> SemaphoreGroup::free() const {
  std::optional<std::size_t> fewest;
  for (const Semaphore& member : members_) {
    if (member.free() && (!fewest || *member.free() < *fewest)) fewest = member.free();
  }
  return fewest;
}

void limit_concurrency_level(Json& input, std::size_t level) { input[kSection][kLevel] = level; }

void distribute_over_time(Json& input, Duration span, std::size_t count) {
  input[kSection][kDistribution] = Json{{"time_span", to_seconds(span)}, {"count", count}};
}

SubPlanLimits limits_of(const Json& input) {
  SubPlanLimits limits;
  const Json* section = json::find(input, kSection);
  if (section == nullptr) return limits;
  if (const std::int64_t level = json::get_int(*section, kLevel, -1); level >= 0) limits.level = static_cast<std::size_t>(level);
  const Json* distribution = json::find(*section, kDistribution);
  if (distribution == nullptr) return limits;
  const Json* span = json::find(*distribution, "time_span");
  const std::int64_t count = json::get_int(*distribution, "count", 0);
  if (span == nullptr || !span->is_number() || !std::isfinite(span->get<double>()) || count <= 0) return limits;
  const double seconds = span->get<double>();
  const double at_once = static_cast<double>(std::max<std::size_t>(limits.level.value_or(1), 1));
  limits.distribution = Distribution{from_seconds(seconds), from_seconds(seconds / (static_cast<double>(count) * at_once))};
  return limits;
}

SemaphoreGroup tickets_of(const SubPlanLimits& limits, Duration elapsed, std::size_t started, std::size_t in_work) {
  std::vector<Semaphore> members;
  if (limits.level) {
    members.push_back(Semaphore::of(*limits.level));
    members.back().get(in_work);
  }
  if (limits.distribution) {
    // One ticket a tick, beside those of the beginning.
    const Duration interval = limits.distribution->interval;
    std::size_t ticks = 0;
    if (elapsed > Duration::zero()) {
      ticks = interval > Duration::zero() ? static_cast<std::size_t>(elapsed / interval) : started;
    }
    members.push_back(Semaphore::uncapped(limits.level.value_or(1)));
    members.back().release(ticks);
    members.back().get(started);
  }
  return SemaphoreGroup(std::move(members));
}

}  // namespace dynflow::engine
