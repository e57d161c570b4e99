// How many sub-plans run at the same time, and when they start.

#include "tests/unit/shared/engine/family.h"

namespace dynflow::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("a limit is filled exactly, and outlives a restart", "[B13][C02]") {
  for (const bool restart : {false, true}) {
    Family family({.total = 10, .child = "Waiter", .limit = [](Json& input) { limit_concurrency_level(input, 4); }});
    family.run();
    CHECK(input_of(family.settle()).at("dynflow") == Json{{"concurrency_limit", 4}});
    for (std::size_t ended = 0; ended < 10; ++ended) {
      if (restart && ended == 3) {
        family.running.clear();  // started again by the next world
        family.engine.crash();
        family.engine.start();
        family.engine.scheduler->run_ready();
      }
      CHECK(family.running.size() == std::min<std::size_t>(4, 10 - ended));
      CHECK(family.counts()[1] == static_cast<std::int64_t>(std::min<std::size_t>(10, 4 + ended)));
      family.end_one();
      family.engine.scheduler->run_ready();
    }
    CHECK(family.most_at_once == 4);
    CHECK(shown(family.settle()) == "stopped/success");
  }
}

TEST_CASE("with level 0 nothing starts, and a cancel counts all", "[C03]") {
  Family family({.total = 3, .limit = [](Json& input) { limit_concurrency_level(input, 0); }});
  family.run();
  CHECK(family.counts() == Counts{3, 0, 0, 0, 0, 3});
  CHECK(family.children().empty());
  CHECK(family.engine.world->cancel(family.id).value() == 1);
  CHECK(family.counts() == Counts{3, 0, 0, 0, 3, 0});
  CHECK(step_of(family.settle(), 2).error->message == "A sub task failed");
}

TEST_CASE("children spread over time start at their ticks", "[C05]") {
  Family family({.total = 6, .child = "Waiter", .limit = [](Json& input) {
                   limit_concurrency_level(input, 2);
                   distribute_over_time(input, seconds(12), 6);
                 }});
  family.run();
  CHECK(family.running.size() == 2);
  CHECK(family.engine.scheduler->timers() == 1);
  // One tick a second: tickets for starting, of which the limit leaves some unused.
  family.engine.scheduler->advance(milliseconds(999));
  CHECK(family.running.size() == 2);
  family.end_one();
  family.engine.scheduler->run_ready();
  CHECK(family.running.size() == 1);
  family.engine.scheduler->advance(milliseconds(1));
  CHECK(family.running.size() == 2);
  CHECK(family.counts()[1] == 3);
  for (int i = 0; i < 2; ++i) {
    family.end_one();
    family.engine.scheduler->run_ready();
  }
  CHECK(family.counts()[1] == 3);
  family.engine.scheduler->advance(seconds(1));
  CHECK(family.counts()[1] == 4);
  // The settings and the beginning are stored.
  family.running.clear();
  family.engine.crash();
  family.engine.start();
  family.engine.scheduler->run_ready();
  CHECK(family.counts()[1] == 4);
  family.engine.scheduler->advance(seconds(1));
  CHECK(family.counts()[1] == 5);
}

TEST_CASE("children that cannot be planned take no tickets", "[C06]") {
  Family family({.total = 5, .limit = [](Json& input) {
                   limit_concurrency_level(input, 1);
                   distribute_over_time(input, seconds(1000), 5);
                 }});
  family.planning_fails = true;
  CHECK(shown(family.run()) == "paused/error");
  CHECK(family.counts() == Counts{5, 5, 0, 5, 0, 0});
  CHECK(family.engine.scheduler->timers() == 0);
}

TEST_CASE("what has not started when the window is over is stopped", "[C07]") {
  Family family({.total = 5, .child = "Waiter", .limit = [](Json& input) {
                   limit_concurrency_level(input, 1);
                   distribute_over_time(input, seconds(5), 5);
                 }});
  family.run();
  CHECK(family.running.size() == 1);
  family.engine.scheduler->advance(seconds(5));
  CHECK(family.counts() == Counts{5, 5, 0, 4, 0, 1});
  CHECK(family.running.size() == 1);
  int stopped = 0;
  for (const std::string& child : family.children()) {
    const PlanRecord& plan = family.engine.store.plans().at(child);
    if (plan.state != PlanState::kStopped) continue;
    ++stopped;
    CHECK(shown(plan) == "stopped/error");
    CHECK(step_of(plan, 2).error->message == "The task could not be started within the maintenance window.");
  }
  CHECK(stopped == 4);
  family.end_one();
  CHECK(shown(family.settle()) == "paused/error");
  CHECK(family.counts() == Counts{5, 5, 1, 4, 0, 0});
}

}  // namespace
}  // namespace dynflow::engine
