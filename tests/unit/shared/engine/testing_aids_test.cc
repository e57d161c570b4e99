// What those who write actions test them with.

#include "shared/engine/polling.h"
#include "shared/engine/sub_plans.h"
#include "shared/engine/testing/action_driver.h"
#include "shared/engine/testing/in_thread_world.h"
#include "shared/persistence/sqlite/sqlite_store.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using std::chrono::seconds;
using testing::ActionDriver;
using testing::InThreadWorld;

ActionRegistry registry_of(std::vector<Script> scripts) {
  ActionRegistry registry;
  for (Script& script : scripts) REQUIRE(registry.add(to_class(std::move(script))).ok());
  return registry;
}

TEST_CASE("the phases of one action are driven without a world", "[X08]") {
  const ActionRegistry registry = registry_of({
      {.name = "Whole",
       .plan =
           [](Planning& p, Json args) {
             const OutputReference below = p.plan_action("Below", Json{{"a", 1}});
             args["below"] = below["x"].to_json();
             p.plan_self(std::move(args));
           },
       .run =
           [](Running& r, const Event* event) {
             r.output()["runs"] = json::get_int(r.output(), "runs", 0) + 1;
             if (event && event->name == "fail") throw ActionError("RuntimeError", "told to");
             if (event) return;
             r.plan_event({"tick", Json()}, seconds(3));
             r.suspend();
           },
       .finalize = [](Finalizing& f) { f.output()["finalized"] = f.input().at("name"); },
       .takes_events = true},
      {.name = "Idle", .plan = [](Planning&, Json) {}, .run = [](Running&, const Event*) {}},
      {.name = "Below", .run = [](Running&, const Event*) {}},
  });
  ActionDriver driver(registry);
  CHECK_THROWS_WITH(driver.plan("Unknown"), "unknown action class 'Unknown'");
  driver.plan("Whole", Json{{"name", "x"}});
  CHECK(driver.has_run_step());
  CHECK(driver.has_finalize_step());
  CHECK(driver.input().at("name") == "x");
  CHECK(driver.input().at("below").at("step_id") == 4);
  REQUIRE(driver.planned_actions().size() == 1);
  CHECK(driver.planned_actions()[0].action_class == "Below");
  CHECK(driver.planned_actions()[0].args == Json{{"a", 1}});

  driver.run();
  CHECK(driver.is_suspended());
  REQUIRE(driver.planned_events().size() == 1);
  CHECK(driver.planned_events()[0].after == seconds(3));
  CHECK(driver.advance(seconds(2)) == 0);
  CHECK(driver.advance(seconds(1)) == 1);
  CHECK_FALSE(driver.is_suspended());
  CHECK(driver.output().at("runs") == 2);
  CHECK_THROWS_WITH(driver.run(Event{"fail", Json()}), "told to");
  CHECK(driver.output().at("runs") == 3);
  driver.finalize();
  CHECK(driver.output().at("finalized") == "x");

  driver.plan("Idle");
  CHECK_FALSE(driver.has_run_step());
  CHECK_THROWS_WITH(driver.run(), "the action has no run step: plan it first");
}

TEST_CASE("stock actions can be driven too", "[X08]") {
  struct Two final : WithSubPlans {
    std::vector<PlanRequest> create_sub_plans(Running&) override {
      std::vector<PlanRequest> requests(2);
      for (PlanRequest& request : requests) request.action_class = "Two";
      return requests;
    }
  };
  ActionRegistry registry;
  REQUIRE(registry.add(sub_plans_class("Two", [] { return std::make_unique<Two>(); })).ok());
  ActionDriver driver(registry);
  driver.plan("Two");
  driver.run();
  CHECK(driver.sub_plans().size() == 2);
  CHECK(driver.is_suspended());
  driver.run({std::string(kCancel), Json()});
  CHECK(driver.cancelled_plans() == std::vector<std::string>{"sub-plan-1", "sub-plan-2"});
  for (const PlanRequest& child : driver.sub_plans()) {
    CHECK(driver.is_suspended());
    driver.run({std::string(kSubPlanFinished),
                Json{{"execution_plan_id", child.plan_id}, {"state", "stopped"}, {"result", "success"}}});
  }
  CHECK_FALSE(driver.is_suspended());
  CHECK(driver.run_progress().done == 1);
}

TEST_CASE("a world without threads runs plans, errors, events and rescue on virtual time", "[X03]") {
  int failures = 1;
  const ActionRegistry registry = registry_of({
      {.name = "Sleep",
       .run =
           [](Running& r, const Event* event) {
             if (event) return;
             r.plan_event({"wake", Json()}, std::chrono::hours(24));
             r.suspend();
           },
       .takes_events = true},
      {.name = "Shaky",
       .run = [&failures](Running&, const Event*) { if (failures-- > 0) throw ActionError("RuntimeError", "shaky"); }},
      {.name = "Hopeless",
       .run = [](Running&, const Event*) { throw ActionError("RuntimeError", "never"); },
       .strategy = RescueStrategy::kSkip},
  });
  auto opened = persistence::open_sqlite_store({});
  REQUIRE(opened.ok());
  const auto store = std::move(*opened);
  {
    InThreadWorld world(*store, registry);
    const std::string sleeper = world.run("Sleep").id;
    CHECK(world.timers() == 1);
    CHECK(shown(world.run("Shaky")) == "paused/error");
    const std::string shaky = world.run("Shaky").id;
    CHECK(shown(world.settle(shaky)) == "stopped/success");
    CHECK(shown(world.run("Hopeless")) == "stopped/warning");
    CHECK(shown(world.settle(sleeper)) == "running/pending");
    world.advance(std::chrono::hours(24));
    CHECK(shown(world.settle(sleeper)) == "stopped/success");
    CHECK_THROWS_AS(world.run("Nothing"), ActionError);
    CHECK_THROWS_AS(world.settle("nobody"), ActionError);
  }
  store->stop();
}

}  // namespace
}  // namespace dynflow::engine
