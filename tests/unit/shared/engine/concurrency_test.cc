#include "shared/engine/concurrency.h"

#include <catch2/catch.hpp>

#include "shared/json/json.h"

namespace dynflow::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("a semaphore gives what it has, and takes back no more than it gave out", "[C08]") {
  Semaphore five = Semaphore::of(5);
  CHECK(five.get(3) == 3);
  CHECK(five.get(3) == 2);
  CHECK(five.get(1) == 0);
  five.release(2);
  CHECK(five.free() == 2);
  five.release(100);
  CHECK(five.free() == 5);
  CHECK(five.drain() == 5);
  CHECK(five.free() == 0);
}

TEST_CASE("an unlimited semaphore never refuses, an uncapped one grows", "[C08]") {
  Semaphore unlimited = Semaphore::unlimited();
  CHECK(unlimited.get(1'000'000) == 1'000'000);
  CHECK(unlimited.drain() == 0);
  CHECK_FALSE(unlimited.free().has_value());
  Semaphore uncapped = Semaphore::uncapped(1);
  uncapped.release(2);
  CHECK(uncapped.free() == 3);
}

TEST_CASE("a group has as much as the one with the fewest", "[C08]") {
  SemaphoreGroup group({Semaphore::of(5), Semaphore::of(3), Semaphore::unlimited()});
  CHECK(group.free() == 3);
  CHECK(group.get(2) == 2);
  CHECK(group.free() == 1);
  group.release(1, 2);
  CHECK(group.free() == 3);
  CHECK(group.get(10) == 3);
  CHECK(group.get(1) == 0);
  group.release(1);
  CHECK(group.free() == 1);
  CHECK(group.drain() == 1);
  CHECK(group.free() == 0);
  CHECK_FALSE(SemaphoreGroup({}).free().has_value());
}

TEST_CASE("the interval follows from span, count and level", "[C04]") {
  const std::vector<std::pair<std::optional<std::size_t>, Duration>> table = {
      {1, seconds(1)}, {4, milliseconds(250)}, {std::nullopt, seconds(1)}};
  for (const auto& [level, interval] : table) {
    Json input = Json::object();
    if (level) limit_concurrency_level(input, *level);
    distribute_over_time(input, seconds(10), 10);
    const SubPlanLimits limits = limits_of(input);
    CHECK(limits.level == level);
    REQUIRE(limits.distribution);
    CHECK(limits.distribution->interval == interval);
    CHECK(limits.distribution->span == seconds(10));
  }
}

TEST_CASE("settings that make no sense limit nothing", "[concurrency]") {
  for (const char* text : {R"({})", R"({"dynflow":3})", R"({"dynflow":{"concurrency_limit":"4"}})",
                           R"({"dynflow":{"concurrency_limit":-1}})", R"({"dynflow":{"time_distribution":{"time_span":"x","count":3}}})",
                           R"({"dynflow":{"time_distribution":{"time_span":10,"count":0}}})"}) {
    const SubPlanLimits limits = limits_of(json::parse(text).value());
    CHECK_FALSE(limits.level);
    CHECK_FALSE(limits.distribution);
  }
}

}  // namespace
}  // namespace dynflow::engine
