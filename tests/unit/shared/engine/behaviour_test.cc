// Behaviours of execution, suspension and rescue that Dynflow's own tests pin down, one by one.

#include "shared/engine/rescue.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;

Script no_op(std::string name) { return {.name = std::move(name), .run = [](Running&, const Event*) {}}; }
// Suspends until "end", which it keeps in its output.
Script listener(std::string name) {
  return {.name = std::move(name),
          .run =
              [](Running& r, const Event* event) {
                if (!event) return static_cast<void>(r.suspend());
                r.output()["event"] = event->name;
              },
          .takes_events = true};
}

TEST_CASE("outputs reach the inputs that refer to them", "[execution][E01]") {
  Engine engine;
  engine.add({.name = "Source", .run = [](Running& r, const Event*) {
                r.output()["v"] = Json{{"deep", Json{{"er", 21}}}};
              }});
  engine.add({.name = "User",
              .run = [](Running& r, const Event*) { r.output()["v"] = r.input()["x"].get<int>() * 2; },
              .finalize = [](Finalizing& f) { f.output()["again"] = Json(f.input()["list"][0]); }});
  engine.add({.name = "All", .plan = [](Planning& p, Json) {
                const auto source = p.plan_action("Source", {});
                const auto user = p.plan_action("User", Json{{"x", source["v"]["deep"]["er"].to_json()},
                                                             {"list", Json::array({source["v"].to_json()})}});
                p.plan_action("User", Json{{"x", user["v"].to_json()}, {"list", Json::array({1})}});
              }});
  const PlanRecord plan = engine.run("All");
  CHECK(shown(plan) == "stopped/success");
  CHECK(json::dump(input_of(plan, 3)) == R"({"x":21,"list":[{"deep":{"er":21}}]})");
  CHECK(json::dump(output_of(plan, 3)) == R"({"v":42,"again":{"deep":{"er":21}}})");
  CHECK(json::dump(output_of(plan, 4)) == R"({"v":84,"again":1})");
}

TEST_CASE("a failed run keeps finalize from running", "[execution][E02]") {
  Engine engine;
  int finalized = 0;
  engine.add({.name = "Good", .run = [](Running&, const Event*) {}, .finalize = [&](Finalizing&) { ++finalized; }});
  engine.add({.name = "Bad", .run = [](Running&, const Event*) { throw std::runtime_error("no"); }});
  engine.add({.name = "All", .plan = [](Planning& p, Json) { p.plan_action("Good", {}), p.plan_action("Bad", {}); }});
  const PlanRecord plan = engine.run("All");
  CHECK(shown(plan) == "paused/error");
  CHECK(finalized == 0);
  CHECK(step_of(plan, 4).state == StepState::kPending);
}

TEST_CASE("while a step runs, the store says so", "[execution][E03]") {
  Engine engine;
  std::string stored;
  engine.add({.name = "Look", .run = [&](Running& r, const Event*) {
                const PlanRecord& plan = engine.store.plans().at(r.plan_id());
                stored = shown(plan) + " " + std::string(persistence::to_string(plan.steps[1].state));
              }});
  engine.run("Look");
  CHECK(stored == "running/pending running");
}

TEST_CASE("a plan in work, and one that has stopped, cannot be executed again", "[execution][E04]") {
  Engine engine;
  engine.add(listener("Listen"));
  const std::string id = engine.run("Listen").id;
  CHECK(engine.world->resume(id).error().code() == Code::kConflict);
  engine.world->send(id, 2, {"end", {}});
  CHECK(shown(engine.settle(id)) == "stopped/success");
  CHECK(engine.world->resume(id).error().code() == Code::kConflict);
}

TEST_CASE("a plan whose rows are gone is forgotten", "[execution][E05]") {
  Engine engine;
  engine.add(listener("Listen"));
  const std::string id = engine.run("Listen").id;
  engine.store.fail_next(1, Code::kNotFound);
  engine.store.plans().erase(id);
  engine.world->send(id, 2, {"end", {}});
  engine.scheduler->run_to_the_end();
  CHECK(engine.world->active_plans() == 0);
  CHECK(engine.store.plans().empty());
  CHECK(engine.world->find_plan(id).error().code() == Code::kNotFound);
}

TEST_CASE("times of steps and of their plan", "[execution][E09]") {
  Engine engine;
  engine.add({.name = "Work",
              .run =
                  [&](Running& r, const Event* event) {
                    engine.clock.advance(std::chrono::seconds(2));
                    if (!event) r.suspend();
                  },
              .takes_events = true});
  const std::string id = engine.run("Work").id;
  engine.clock.advance(std::chrono::seconds(10));
  engine.world->send(id, 2, {"end", {}});
  const PlanRecord plan = engine.settle(id);
  const StepRecord& run = step_of(plan, 2);
  CHECK((run.started_at && run.ended_at && plan.started_at && plan.ended_at));
  CHECK(run.execution_time == Approx(4));
  CHECK(run.real_time == Approx(14));
  CHECK(step_of(plan, 1).execution_time == Approx(step_of(plan, 1).real_time));
  double sum = 0;
  for (const StepRecord& step : plan.steps) sum += step.execution_time;
  CHECK(plan.execution_time == Approx(sum));
  CHECK(plan.real_time == Approx(14));
}

TEST_CASE("an event ends a suspended step and stands in its output", "[events][V03][V04]") {
  Engine engine;
  engine.add(listener("Listen"));
  const std::string id = engine.run("Listen").id;
  CHECK(shown(engine.settle(id)) == "running/pending");
  REQUIRE(engine.world->send_durable(id, 2, {"finish", {}}).ok());
  const PlanRecord plan = engine.settle(id);
  CHECK(shown(plan) == "stopped/success");
  CHECK(output_of(plan)["event"] == "finish");
  CHECK(engine.world->send_durable(id, 2, {"finish", {}}).error().message() ==
        "step is not suspended, it cannot process events");
}

TEST_CASE("an action is woken when another plan has ended", "[events][V06]") {
  Engine engine;
  std::string waiter;
  engine.add(listener("Wait"));
  ActionClass work = to_class(no_op("Work"));
  work.hooks = {{"wake", {HookOn::kSuccess}, [&](const HookContext& context) { context.world.send(waiter, 2, {"done", {}}); }}};
  engine.add(work);
  waiter = engine.run("Wait").id;
  engine.run("Work");
  const PlanRecord plan = engine.settle(waiter);
  CHECK(shown(plan) == "stopped/success");
  CHECK(output_of(plan)["event"] == "done");
}

// A tree of one level more than needed, with one leaf that fails in a phase.
class Failing : public Engine {
 public:
  Failing(bool in_run, RescueStrategy strategy, bool rescues) {
    auto_rescue = rescues;
    const auto fail = [] { throw std::runtime_error("boom"); };
    Script leaf{.name = "Leaf",
                .run =
                    [=](Running& r, const Event* event) {
                      r.output()["ran"] = event ? event->name : "start";
                      if (in_run && !event) fail();
                    },
                .strategy = strategy,
                .takes_events = true};
    if (!in_run) leaf.finalize = [=](Finalizing&) { fail(); };
    add(leaf);
    add(no_op("Other"));
    add({.name = "Middle", .plan = [](Planning& p, Json) { p.plan_action("Leaf", {}); }});
    add({.name = "Root", .plan = [](Planning& p, Json) {
           p.sequence([&] { p.plan_action("Middle", {}), p.plan_action("Middle", {}), p.plan_action("Other", {}); });
         }});
  }
};

TEST_CASE("without auto rescue a failing plan pauses, whatever it suggests", "[rescue][R01][R02][R03][R05]") {
  for (const bool in_run : {true, false}) {
    for (const RescueStrategy strategy : {RescueStrategy::kSkip, RescueStrategy::kFail}) {
      Failing engine(in_run, strategy, false);
      for (const char* name : {"Leaf", "Root"}) {
        const PlanRecord plan = engine.run(name);
        CHECK(shown(plan) == "paused/error");
        CHECK(suggested_rescue(plan, engine.registry) == strategy);
      }
    }
  }
}

TEST_CASE("auto rescue skips what fails in run or in finalize", "[rescue][R06][R07][R08]") {
  Failing in_run(true, RescueStrategy::kSkip, true);
  const PlanRecord skipped = in_run.run("Leaf");
  CHECK(shown(skipped) == "stopped/warning");
  CHECK(output_of(skipped)["ran"] == kSkipEvent);
  CHECK(shown(in_run.run("Root")) == "stopped/warning");
  Failing in_finalize(false, RescueStrategy::kSkip, true);
  const PlanRecord finalized = in_finalize.run("Leaf");
  CHECK(shown(finalized) == "stopped/warning");
  CHECK(output_of(finalized)["ran"] == "start");
  CHECK(shown(in_finalize.run("Root")) == "stopped/warning");
}

TEST_CASE("auto rescue pauses or fails the plan", "[rescue][R10][R11]") {
  Failing pausing(true, RescueStrategy::kPause, true);
  const PlanRecord paused = pausing.run("Root");
  CHECK(shown(paused) == "paused/error");
  CHECK(history_of(paused) == Names{"start execution", "pause execution"});
  Failing stopping(true, RescueStrategy::kFail, true);
  const PlanRecord stopped = stopping.run("Root");
  CHECK(shown(stopped) == "stopped/error");
  CHECK(stopped.steps.back().state == StepState::kPending);
  CHECK(history_of(stopped) == Names{"start execution", "finish execution"});
}

TEST_CASE("an action that cannot say how to be rescued is paused", "[rescue]") {
  Engine engine;
  engine.add({.name = "Child", .run = [](Running&, const Event*) { throw 1; }, .strategy = RescueStrategy::kSkip});
  engine.add({.name = "Root",
              .plan = [](Planning& p, Json) { p.plan_action("Child", {}); },
              .for_planned = [](RescueStrategy) -> RescueStrategy { throw std::runtime_error("no idea"); }});
  CHECK(shown(engine.run("Root")) == "paused/error");
}

TEST_CASE("a world without threads does it all in the caller's", "[world][X03]") {
  Engine engine;
  engine.add(listener("Listen"));
  engine.add({.name = "Bad", .run = [](Running&, const Event*) { throw std::runtime_error("no"); }, .strategy = RescueStrategy::kSkip});
  engine.add({.name = "Timed",
              .run =
                  [](Running& r, const Event* event) {
                    if (event) return;
                    r.plan_event({"later", {}}, std::chrono::hours(1));
                    r.suspend();
                  },
              .takes_events = true});
  const std::string timed = engine.run("Timed").id;
  const std::string listening = engine.run("Listen").id;
  CHECK(shown(engine.run("Bad")) == "stopped/warning");  // the timer of another plan does not hold it up
  engine.world->send(listening, 2, {"end", {}});
  CHECK(shown(engine.settle(listening)) == "stopped/success");
  CHECK(shown(engine.settle(timed)) == "running/pending");
  engine.scheduler->advance(std::chrono::hours(1));
  CHECK(shown(engine.settle(timed)) == "stopped/success");
}

}  // namespace
}  // namespace dynflow::engine
