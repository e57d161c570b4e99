#include "shared/callback/ended_plans.h"

#include <catch2/catch.hpp>

using namespace dynflow;
using namespace dynflow::callback;
using namespace std::chrono_literals;

namespace {

persistence::PlanRecord plan_of(const std::string& id, std::size_t bytes = 0) {
  persistence::PlanRecord plan;
  plan.id = id;
  plan.actions.emplace_back().output.assign(bytes, 'x');
  return plan;
}

}  // namespace

TEST_CASE("an ended plan is there once") {
  VirtualClock clock;
  EndedPlans ended(clock);
  ended.keep(plan_of("a", 1));
  ended.keep(plan_of("a", 2));
  const auto plan = ended.take("a");
  REQUIRE(plan != nullptr);
  CHECK(plan->actions.front().output == "xx");
  CHECK(ended.take("a") == nullptr);
  ended.keep(plan_of("b"));
  ended.forget("b");
  CHECK(ended.take("b") == nullptr);
}

TEST_CASE("ended plans have bounded room, which those that are taken or old leave") {
  VirtualClock clock;
  EndedPlans ended(clock, {2, 100, 60s});
  SECTION("plans") {
    for (const char* id : {"a", "b", "c"}) ended.keep(plan_of(id));
    CHECK(ended.take("c") == nullptr);
    CHECK(ended.take("a") != nullptr);
    ended.keep(plan_of("c"));
    CHECK(ended.take("c") != nullptr);
  }
  SECTION("bytes") {
    ended.keep(plan_of("a", 60));
    ended.keep(plan_of("b", 60));
    CHECK(ended.take("b") == nullptr);
    CHECK(ended.take("a") != nullptr);
    ended.keep(plan_of("b", 60));
    CHECK(ended.take("b") != nullptr);
  }
  SECTION("age") {
    ended.keep(plan_of("a"));
    ended.keep(plan_of("b"));
    clock.advance(61s);
    ended.keep(plan_of("c"));
    CHECK(ended.take("a") == nullptr);
    CHECK(ended.take("c") != nullptr);
  }
}
