// How many sub-plans of an action may be started: a limit on those that run at the same time, and their distribution over a span of
// time. Both are settings in the action's input, so that they outlive a restart.
//
// Threads: values; pure functions.
//
// Source: Dynflow 2.0.0, lib/dynflow/semaphores/{stateful,aggregating,dummy}.rb, action/with_sub_plans.rb, throttle_limiter.rb. Other
// than there nobody queues for tickets: an action makes its sub-plans in order, as it gets tickets for them.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "shared/base/clock.h"
#include "shared/json/json_fwd.h"

namespace dynflow::engine {

// A bounded number of tickets, or any number of them.
class Semaphore {
 public:
  // All tickets are free.
  static Semaphore of(std::size_t tickets) { return Semaphore(tickets, tickets); }
  // Never refuses.
  static Semaphore unlimited() { return Semaphore(std::nullopt, std::nullopt); }
  // What is released adds up without bound.
  static Semaphore uncapped(std::size_t free) { return Semaphore(std::nullopt, free); }

  // Takes up to `count` tickets: how many it got.
  std::size_t get(std::size_t count);
  // Gives tickets back, never more than there are.
  void release(std::size_t count);
  // Takes all that are free; of an unlimited one none.
  std::size_t drain();
  // Nothing: unlimited.
  std::optional<std::size_t> free() const { return free_; }

 private:
  Semaphore(std::optional<std::size_t> tickets, std::optional<std::size_t> free) : tickets_(tickets), free_(free) {}

  std::optional<std::size_t> tickets_;
  std::optional<std::size_t> free_;
};

// Several semaphores of which each has to agree.
class SemaphoreGroup {
 public:
  explicit SemaphoreGroup(std::vector<Semaphore> members) : members_(std::move(members)) {}

  // The same number from each: as many as the one with the fewest has.
  std::size_t get(std::size_t count);
  void release(std::size_t count);
  void release(std::size_t member, std::size_t count) { members_.at(member).release(count); }
  std::size_t drain();
  std::optional<std::size_t> free() const;

 private:
  std::vector<Semaphore> members_;
};

// At most `level` sub-plans are in work at the same time; 0 = none is ever started. Call it in plan(), with the action's input.
void limit_concurrency_level(Json& input, std::size_t level);
// `count` sub-plans start evenly spread over `span`: as many as may run at once (one without a limit) at the beginning, then one every
// span / (count * level). What has not started when the span is over never will.
void distribute_over_time(Json& input, Duration span, std::size_t count);

struct Distribution {
  Duration span{};
  Duration interval{};
};

struct SubPlanLimits {
  std::optional<std::size_t> level;
  std::optional<Distribution> distribution;
};

// What the two functions above left in the input. Settings that make no sense are ignored.
SubPlanLimits limits_of(const Json& input);

// What is free after `elapsed`, with that many sub-plans started and unfinished.
SemaphoreGroup tickets_of(const SubPlanLimits& limits, Duration elapsed, std::size_t started, std::size_t in_work);

}  // namespace dynflow::engine
