#include <cmath>
#include <limits>

#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;
using persistence::WriteBatch;
using std::chrono::milliseconds;
using std::chrono::seconds;

Script no_op(std::string name, bool is_pure = false) {
  return {.name = std::move(name), .run = [](Running& r, const Event*) { r.output()["ran"] = true; }, .is_pure = is_pure};
}
Script failing(std::string name, RescueStrategy strategy) {
  return {.name = std::move(name),
          .run = [](Running&, const Event*) { throw ActionError("ArgumentError", "boom"); },
          .strategy = strategy};
}
// Suspends until the event "end"; keeps the names of all events in its output.
Script listener(std::string name) {
  return {.name = std::move(name),
          .run =
              [](Running& r, const Event* event) {
                r.output()["events"].push_back(event ? event->name : "start");
                if (!event || event->name != "end") r.suspend();
              },
          .takes_events = true,
          .is_cancellable = true};
}

TEST_CASE("pure steps cost one write, steps that act outside are announced first", "[execution]") {
  Engine engine;
  engine.add(no_op("Pure", true));
  engine.add(no_op("Outside"));
  engine.add({.name = "Both", .plan = [](Planning& p, Json) {
                p.sequence([&] { p.plan_action("Pure", {}), p.plan_action("Pure", {}); });
              }});
  engine.add({.name = "Two", .plan = [](Planning& p, Json) {
                p.sequence([&] { p.plan_action("Outside", {}), p.plan_action("Outside", {}); });
              }});
  CHECK(shown(engine.run("Both")) == "stopped/success");
  CHECK(engine.store.committed().size() == 2);  // the launch and the end

  CHECK(shown(engine.run("Two")) == "stopped/success");
  // The launch; plan and first step running; first success and second running; second success and the end.
  CHECK(engine.store.committed().size() == 2 + 4);
}

TEST_CASE("a step that acts outside does not run before it is durable that it runs", "[execution]") {
  Engine engine;
  int runs = 0;
  engine.add({.name = "Count", .run = [&](Running&, const Event*) { ++runs; }});
  const std::string id = engine.trigger("Count");
  engine.store.fail_next(3);
  engine.scheduler->run_ready();
  CHECK(runs == 0);
  CHECK(engine.world->find_plan(id)->steps[1].state == StepState::kRunning);
  engine.scheduler->run_to_the_end();  // the store is tried again by a timer
  CHECK(runs == 1);
  CHECK(shown(engine.settle(id)) == "stopped/success");
}

TEST_CASE("the end of a plan is shown when it is durable", "[execution]") {
  Engine engine;
  engine.add(listener("Listen"));
  const std::string id = engine.run("Listen").id;
  engine.store.fail_next(1);
  engine.world->send(id, 2, {"end", {}});
  engine.scheduler->run_ready();
  CHECK(shown(*engine.world->find_plan(id)) == "running/pending");
  CHECK(engine.world->find_statuses({id})->front().state == PlanState::kRunning);
  CHECK(engine.world->active_plans() == 1);
  engine.scheduler->run_to_the_end();
  CHECK(shown(*engine.world->find_plan(id)) == "stopped/success");
  CHECK(engine.world->active_plans() == 0);
}

TEST_CASE("a plan whose writes are refused for good is left as stored", "[execution]") {
  Engine engine;
  engine.add(listener("Listen"));
  const std::string id = engine.run("Listen").id;
  engine.store.fail_next(100, Code::kFailed);
  engine.world->send(id, 2, {"end", {}});
  engine.scheduler->run_to_the_end();
  CHECK(engine.world->active_plans() == 0);
  CHECK(shown(*engine.world->find_plan(id)) == "running/pending");
}

TEST_CASE("events reach a step one by one, in their order", "[execution][V03]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Engine engine(seed);
    engine.add(listener("Listen"));
    const std::string id = engine.trigger("Listen");
    for (const char* name : {"a", "b", "c", "end", "d"}) engine.world->send(id, 2, {name, {}});
    const PlanRecord plan = engine.settle(id);
    CHECK(shown(plan) == "stopped/success");
    CHECK(json::dump(output_of(plan)["events"]) == R"(["start","a","b","c","end"])");
  }
}

TEST_CASE("a cancel that comes before the step suspended is not lost", "[execution]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Engine engine(seed);
    World* world = nullptr;
    engine.add({.name = "Slow",
                .run =
                    [&](Running& r, const Event* event) {
                      r.output()["events"].push_back(event ? event->name : "start");
                      if (event) return;
                      // From inside the run, that is before it is known that it suspends.
                      world->send(r.plan_id(), r.step_id(), {std::string(kCancel), {}});
                      r.suspend();
                    },
                .takes_events = true,
                .is_cancellable = true});
    world = &engine.start();
    const PlanRecord plan = engine.run("Slow");
    CHECK(shown(plan) == "stopped/success");
    CHECK(output_of(plan)["events"].size() == 2);
  }
}

TEST_CASE("cancel counts what it reached and survives a crash", "[execution]") {
  Engine engine;
  engine.add(listener("Listen"));
  engine.add(no_op("Deaf"));
  const std::string id = engine.run("Listen").id;
  CHECK(engine.world->cancel(id).value() == 1);
  CHECK(engine.world->cancel(id, true).value() == 1);
  const PlanRecord plan = engine.settle(id);
  CHECK(json::dump(output_of(plan)["events"]) ==
        R"(["start","Dynflow::Action::Cancellable::Cancel","Dynflow::Action::Cancellable::Abort"])");
  CHECK(engine.store.events().empty());  // deleted with the result of the run that took them

  engine.world->send(id, 2, {"end", {}});
  engine.settle(id);
  CHECK(engine.world->cancel(id).value() == 0);
  CHECK(engine.world->cancel("nobody").error().code() == Code::kNotFound);
  CHECK(engine.world->cancel(engine.run("Deaf").id).value() == 0);
}

TEST_CASE("durable events are rows until their step took them", "[execution]") {
  Engine engine;
  engine.add(listener("Listen"));
  const std::string id = engine.run("Listen").id;
  CHECK(engine.world->send_durable(id, 2, {"a", Json{{"x", 1}}}).ok());
  CHECK(engine.world->send_durable(id, 9, {"a", {}}).error().code() == Code::kNotFound);
  CHECK(engine.world->send_durable(id, 1, {"a", {}}).error().code() == Code::kNotFound);
  CHECK(engine.world->send_durable("nobody", 2, {"a", {}}).error().code() == Code::kNotFound);
  engine.settle(id);
  CHECK(engine.store.events().empty());
  CHECK(engine.world->send_durable(id, 2, {"end", {}}).ok());
  engine.settle(id);
  CHECK(engine.world->send_durable(id, 2, {"a", {}}).error().code() == Code::kConflict);
}

TEST_CASE("an event planned for later comes by the clock", "[execution][V01][V02][E13]") {
  Engine engine;
  engine.add({.name = "Timed",
              .run =
                  [](Running& r, const Event* event) {
                    r.output()["events"].push_back(event ? event->name : "start");
                    if (!event) r.plan_event({"now", {}}, Duration::zero());
                    if (event && event->name == "now") r.plan_event({"later", {}}, seconds(5));
                    if (!event || event->name != "later") r.suspend();
                  },
              .takes_events = true});
  const std::string id = engine.run("Timed").id;
  CHECK(json::dump(output_of(engine.settle(id))["events"]) == R"(["start","now"])");
  engine.scheduler->advance(milliseconds(4999));
  CHECK(engine.world->active_plans() == 1);
  engine.scheduler->advance(milliseconds(1));
  CHECK(shown(engine.settle(id)) == "stopped/success");
  CHECK(engine.scheduler->timers() == 0);
}

TEST_CASE("rescue strategies of an action and of those below it", "[rescue][R04][R05][R08][R10][R11]") {
  using S = RescueStrategy;
  struct Row {
    std::vector<S> children;
    bool auto_rescue;
    std::string expected;
    Names history;
  };
  const Names paused{"start execution", "pause execution"};
  const Names stopped{"start execution", "finish execution"};
  const std::vector<Row> table = {
      {{S::kSkip}, true, "stopped/warning", stopped},
      {{S::kSkip, S::kSkip}, true, "stopped/warning", stopped},
      {{S::kFail}, true, "stopped/error", stopped},
      {{S::kFail, S::kFail}, true, "stopped/error", stopped},
      {{S::kPause}, true, "paused/error", paused},
      {{S::kSkip, S::kFail}, true, "paused/error", paused},
      {{S::kSkip, S::kPause}, true, "paused/error", paused},
      {{S::kSkip}, false, "paused/error", paused},
      {{S::kFail}, false, "paused/error", paused},
  };
  for (const Row& row : table) {
    for (const bool parent_forces_pause : {false, true}) {
      Engine engine;
      engine.auto_rescue = row.auto_rescue;
      Script parent{.name = "Parent", .plan = [&](Planning& p, Json) {
                      for (const S strategy : row.children) {
                        p.plan_action(std::vector<std::string>{"Skip", "Fail", "Pause"}[static_cast<std::size_t>(strategy)], {});
                      }
                    }};
      if (parent_forces_pause) parent.for_planned = [](S) { return S::kPause; };
      engine.add(std::move(parent));
      engine.add(failing("Skip", S::kSkip));
      engine.add(failing("Fail", S::kFail));
      engine.add(failing("Pause", S::kPause));
      const PlanRecord plan = engine.run("Parent");
      CHECK(shown(plan) == (parent_forces_pause ? "paused/error" : row.expected));
      CHECK(history_of(plan) == (parent_forces_pause ? paused : row.history));
    }
  }
}

TEST_CASE("failing while being skipped pauses the plan: it is rescued once", "[rescue][R06][R09]") {
  Engine engine;
  Names seen;
  engine.add({.name = "Stubborn",
              .run =
                  [&](Running&, const Event* event) {
                    seen.push_back(event ? event->name : "start");
                    throw ActionError("ArgumentError", "boom");
                  },
              .strategy = RescueStrategy::kSkip,
              .takes_events = true});
  engine.add({.name = "Clean",
              .run =
                  [](Running& r, const Event* event) {
                    if (!event) throw std::runtime_error("first");
                    r.output()["cleaned"] = event->name;
                  },
              .strategy = RescueStrategy::kSkip,
              .takes_events = true});
  CHECK(shown(engine.run("Stubborn")) == "paused/error");
  CHECK(seen == Names{"start", std::string(kSkipEvent)});
  const PlanRecord plan = engine.run("Clean");
  CHECK(shown(plan) == "stopped/warning");
  CHECK(output_of(plan)["cleaned"] == kSkipEvent);
  CHECK(step_of(plan, 2).error->exception_class == "RuntimeError");
}

TEST_CASE("resume runs what failed and what is left, and clears the error", "[execution][E06][Q1]") {
  Engine engine;
  bool is_fixed = false;
  int first_runs = 0;
  engine.add({.name = "First", .run = [&](Running&, const Event*) { ++first_runs; }});
  engine.add({.name = "Second", .run = [&](Running&, const Event*) {
                if (!is_fixed) throw std::runtime_error("not yet");
              }});
  engine.add(no_op("Third"));
  engine.add({.name = "All", .plan = [](Planning& p, Json) {
                p.sequence([&] { p.plan_action("First", {}), p.plan_action("Second", {}), p.plan_action("Third", {}); });
              }});
  const PlanRecord paused = engine.run("All");
  CHECK(shown(paused) == "paused/error");
  CHECK(step_of(paused, 7).state == StepState::kPending);
  is_fixed = true;
  REQUIRE(engine.world->resume(paused.id).ok());
  const PlanRecord done = engine.settle(paused.id);
  CHECK(shown(done) == "stopped/success");
  CHECK(history_of(done) == Names{"start execution", "pause execution", "start execution",
                                  "step 5 had failed: RuntimeError - not yet", "finish execution"});
  CHECK(first_runs == 1);
  CHECK_FALSE(step_of(done, 5).error);
  CHECK(engine.world->resume(done.id).error().code() == Code::kConflict);
  CHECK(engine.world->resume("nobody").error().code() == Code::kNotFound);
}

// The store shows a pause before the world has let the plan go.
TEST_CASE("a plan that is seen paused can be resumed and skipped at once", "[execution][E06][E08]") {
  Engine engine;
  bool is_broken = true;
  engine.add({.name = "Bad", .run = [&](Running&, const Event*) {
    if (is_broken) throw std::runtime_error("no");
  }});
  const std::string id = engine.trigger("Bad");
  const auto state = [&] { return engine.store.load_plan(id)->state; };
  while (state() != PlanState::kPaused) REQUIRE(engine.scheduler->run_one());
  REQUIRE(engine.world->active_plans() == 1);
  SECTION("resumed") {
    is_broken = false;
    REQUIRE(engine.world->resume(id).ok());
    CHECK(shown(engine.settle(id)) == "stopped/success");
  }
  SECTION("skipped") {
    REQUIRE(engine.world->skip(id, 2).ok());
    REQUIRE(engine.world->resume(id).ok());
    CHECK(shown(engine.settle(id)) == "stopped/warning");
  }
}

TEST_CASE("skipping a step skips what depends on it, and their finalize steps", "[execution][E08]") {
  Engine engine;
  engine.add(failing("Source", RescueStrategy::kPause));
  engine.add({.name = "User", .run = [](Running&, const Event*) {}, .finalize = [](Finalizing&) {}});
  engine.add({.name = "Other", .run = [](Running&, const Event*) {}, .finalize = [](Finalizing&) {}});
  engine.add({.name = "All", .plan = [](Planning& p, Json) {
                const auto source = p.plan_action("Source", {});
                const auto user = p.plan_action("User", Json{{"x", source["v"].to_json()}});
                p.plan_action("User", Json{{"deep", Json::array({user["v"].to_json()})}});
                p.plan_action("Other", {});
              }});
  const PlanRecord paused = engine.run("All");
  REQUIRE(shown(paused) == "paused/error");
  CHECK(engine.world->skip(paused.id, 99).error().code() == Code::kNotFound);
  CHECK(engine.world->skip(paused.id, 1).error().code() == Code::kNotFound);
  CHECK(engine.world->skip(paused.id, 11).error().code() == Code::kConflict);  // ended well
  REQUIRE(engine.world->skip(paused.id, 3).ok());
  CHECK(shown(*engine.world->find_plan(paused.id)) == "paused/warning");
  REQUIRE(engine.world->resume(paused.id).ok());
  const PlanRecord done = engine.settle(paused.id);
  CHECK(shown(done) == "stopped/warning");
  for (const int id : {3, 5, 6, 8, 9}) CHECK(step_of(done, id).state == StepState::kSkipped);
  for (const int id : {11, 12}) CHECK(step_of(done, id).state == StepState::kSuccess);
}

TEST_CASE("finalize steps run in order, and all of them again after a failure", "[execution][E07][P05]") {
  Engine engine;
  Names ran;
  bool is_fixed = false;
  for (const char* name : {"A", "B", "C"}) {
    engine.add({.name = name, .run = [](Running&, const Event*) {}, .finalize = [&, name](Finalizing& f) {
                  ran.push_back(name);
                  if (std::string(name) == "B" && !is_fixed) throw std::runtime_error("not yet");
                  f.output()["finalized"] = true;
                }});
  }
  engine.add({.name = "All", .plan = [](Planning& p, Json) {
                p.plan_action("A", {}), p.plan_action("B", {}), p.plan_action("C", {});
              }});
  const PlanRecord paused = engine.run("All");
  CHECK(shown(paused) == "paused/error");
  CHECK(ran == Names{"A", "B"});
  is_fixed = true;
  REQUIRE(engine.world->resume(paused.id).ok());
  const PlanRecord done = engine.settle(paused.id);
  CHECK(shown(done) == "stopped/success");
  CHECK(ran == Names{"A", "B", "A", "B", "C"});
  CHECK(output_of(done, 4)["finalized"] == true);
}

TEST_CASE("whatever goes wrong in a step is an error of the step", "[execution][Q27]") {
  Engine engine;
  engine.add({.name = "Odd", .run = [](Running&, const Event*) { throw 42; }});
  engine.add({.name = "Array", .run = [](Running& r, const Event*) { r.output() = Json::array(); }});
  engine.add({.name = "Type", .run = [](Running& r, const Event*) { (void)r.input().at("missing"); }});
  engine.add({.name = "Source", .run = [](Running&, const Event*) {}});
  engine.add({.name = "User", .run = [](Running&, const Event*) {}});
  engine.add({.name = "Missing", .plan = [](Planning& p, Json) {
                const auto source = p.plan_action("Source", {});
                p.plan_action("User", Json{{"x", source["nothing"].to_json()}});
              }});
  CHECK(step_of(engine.run("Odd"), 2).error->exception_class == "UnknownError");
  CHECK(step_of(engine.run("Array"), 2).error->exception_class == "TypeError");
  CHECK(step_of(engine.run("Type"), 2).error->exception_class == "RuntimeError");
  const PlanRecord missing = engine.run("Missing");
  CHECK(shown(missing) == "paused/error");
  CHECK(step_of(missing, 5).error->exception_class == "KeyError");
  CHECK(step_of(missing, 5).error->message == "key not found: \"nothing\"");
}

TEST_CASE("output that JSON cannot hold is made storable", "[execution]") {
  Engine engine;
  engine.add({.name = "Bad", .run = [](Running& r, const Event*) {
                r.output()["nan"] = std::nan("");
                r.output()["infinite"] = std::numeric_limits<double>::infinity();
                r.output()["bytes"] = "a\xff";
              }});
  const PlanRecord plan = engine.run("Bad");
  CHECK(shown(plan) == "stopped/success");
  CHECK(plan.actions[0].output == "{\"nan\":null,\"infinite\":null,\"bytes\":\"a\xEF\xBF\xBD\"}");
  CHECK(status_document(*engine.world, plan.id).ok());
}

TEST_CASE("a failed plan phase fails the plan and everything above it", "[planning][P06][P07]") {
  Engine engine;
  engine.add(no_op("Good"));
  engine.add({.name = "Bad", .plan = [](Planning&, Json) { throw ActionError("ArgumentError", "no"); }});
  engine.add({.name = "Middle", .plan = [](Planning& p, Json) { p.plan_action("Bad", {}); }});
  engine.add({.name = "Top", .plan = [](Planning& p, Json) {
                p.plan_action("Good", {});
                p.plan_action("Middle", {});
                p.plan_action("Good", {});
              }});
  engine.add({.name = "Unknown", .plan = [](Planning& p, Json) { p.plan_action("Kernel", {}); }});
  engine.add({.name = "Swallow", .plan = [](Planning& p, Json) {
                try {
                  p.plan_action("Bad", {});
                } catch (const ActionError&) {
                }
                p.plan_self({});
              }});
  engine.add({.name = "Dangling", .run = [](Running&, const Event*) {}});
  engine.start();
  PlanRequest request;
  request.action_class = "Top";
  const auto planned = engine.world->trigger({request});
  REQUIRE(planned.ok());
  REQUIRE(planned->front().error);
  CHECK(planned->front().error->message == "no");
  const PlanRecord plan = engine.settle(planned->front().plan_id);
  CHECK(shown(plan) == "stopped/error");
  CHECK(plan.steps.size() == 5);  // Top, Good and its run, Middle, Bad
  CHECK(step_of(plan, 2).state == StepState::kSuccess);
  for (const int id : {1, 4, 5}) CHECK(step_of(plan, id).state == StepState::kError);
  CHECK(history_of(plan) == Names{"finish execution"});

  CHECK(step_of(engine.run("Unknown"), 1).error->exception_class == "NameError");
  CHECK(shown(engine.run("Swallow")) == "stopped/error");
  const OutputReference elsewhere{"another plan", 3, 2, {}};
  const PlanRecord dangling = engine.run("Dangling", Json{{"x", elsewhere.to_json()}});
  CHECK(shown(dangling) == "stopped/error");
  CHECK(step_of(dangling, 1).error->message == "Some dependencies were not resolved: 2 requires 0");
}

TEST_CASE("a plan without steps to run stops at once", "[execution][P14][E17]") {
  Engine engine;
  engine.add({.name = "Nothing", .plan = [](Planning& p, Json args) { p.plan_self(args); }});
  const PlanRecord plan = engine.run("Nothing", Json{{"a", 1}});
  CHECK(shown(plan) == "stopped/success");
  CHECK(plan.actions[0].input == R"({"a":1})");
}

TEST_CASE("launches are all or nothing", "[world]") {
  Engine engine;
  engine.add(no_op("Good"));
  engine.max_active_plans = 3;
  engine.start();
  const auto request = [](std::string id, std::string name = "Good") {
    PlanRequest made;
    made.plan_id = std::move(id);
    made.action_class = std::move(name);
    return made;
  };
  CHECK(engine.world->trigger({request("a"), request("b", "Kernel")}).error().code() == Code::kNotFound);
  CHECK(engine.world->trigger({request("a"), request("a")}).error().code() == Code::kConflict);
  CHECK(engine.world->trigger({request("a"), request("b"), request("c"), request("d")}).error().code() == Code::kBusy);
  CHECK(engine.store.plans().empty());
  CHECK(engine.world->active_plans() == 0);

  REQUIRE(engine.world->trigger({request("a")}).ok());
  engine.scheduler->run_ready();
  CHECK(engine.world->trigger({request("b"), request("a")}).error().code() == Code::kConflict);
  CHECK(engine.store.plans().size() == 1);
  engine.store.fail_next(1);
  CHECK(engine.world->trigger({request("b")}).error().code() == Code::kUnavailable);
  engine.store.set_congested(true);
  CHECK(engine.world->trigger({request("b")}).error().code() == Code::kBusy);
  engine.store.set_congested(false);
  CHECK(engine.world->trigger({request("b")}).ok());
  engine.world->stop(Deadline::after(seconds(10)));
  engine.world->stop(Deadline::after(seconds(10)));
  CHECK(engine.world->trigger({request("c")}).error().code() == Code::kClosed);
}

TEST_CASE("secrets reach every phase and no row", "[world]") {
  Engine engine;
  Names seen;
  engine.add({.name = "Secretive",
              .plan =
                  [&](Planning& p, Json args) {
                    seen.push_back(json::get_string(p.secrets(), "password"));
                    p.plan_self(args);
                  },
              .run =
                  [&](Running& r, const Event*) {
                    seen.push_back(json::get_string(r.secrets(), "password"));
                    if (seen.size() == 2) throw std::runtime_error("again");
                  }});
  engine.start();
  PlanRequest request;
  request.action_class = "Secretive";
  request.secrets = Json{{"password", "hunter2"}};
  const auto planned = engine.world->trigger({request});
  REQUIRE(planned.ok());
  const std::string id = planned->front().plan_id;
  CHECK(shown(engine.settle(id)) == "paused/error");
  REQUIRE(engine.world->resume(id).ok());
  CHECK(shown(engine.settle(id)) == "stopped/success");
  CHECK(seen == Names{"hunter2", "hunter2", "hunter2"});
  CHECK(status_document(*engine.world, id)->find("hunter2") == std::string::npos);
}

class OutboxObserver : public PlanObserver {
 public:
  void plan_changed(const PlanRecord& plan, WriteBatch& batch) override {
    states.push_back(persistence::to_string(plan.state));
    if (plan.state != PlanState::kStopped) return;
    persistence::OutboxRecord entry;
    entry.id = plan.id;
    batch.add(WriteBatch::PutOutbox{entry});
  }
  void rows_stored() override { ++stored; }
  std::vector<std::string_view> states;
  int stored = 0;
};

TEST_CASE("what observers add becomes durable with the state they saw", "[observer]") {
  Engine engine;
  OutboxObserver observer;
  engine.observers.push_back(&observer);
  engine.add(no_op("Good"));
  engine.add(failing("Bad", RescueStrategy::kFail));
  engine.add({.name = "PlanFail", .plan = [](Planning&, Json) { throw std::runtime_error("no"); }});
  engine.start();
  engine.store.fail_next(0);
  engine.run("Good");
  CHECK(observer.states == std::vector<std::string_view>{"planned", "running", "stopped"});
  engine.run("Bad");
  engine.run("PlanFail");
  CHECK(observer.stored == 3);
  CHECK(engine.store.outbox().size() == 3);
  for (const WriteBatch& batch : engine.store.committed()) {
    int stopped = 0;
    int entries = 0;
    for (const auto& change : batch.changes()) {
      const auto* update = std::get_if<WriteBatch::UpdatePlan>(&change);
      const auto* insert = std::get_if<WriteBatch::InsertPlan>(&change);
      stopped += (update && update->progress.state == PlanState::kStopped) ||
                 (insert && insert->plan.state == PlanState::kStopped);
      entries += std::holds_alternative<WriteBatch::PutOutbox>(change);
    }
    CHECK(stopped == entries);
  }
}

TEST_CASE("rows of a run become durable with its result, and not at all when it fails", "[observer]") {
  Engine engine;
  bool is_fixed = false;
  engine.add({.name = "Writes", .run = [&](Running& r, const Event*) {
                persistence::OutboxRecord entry;
                entry.id = "callback";
                r.transaction().add(WriteBatch::PutOutbox{entry});
                if (!is_fixed) throw std::runtime_error("not yet");
              }});
  const std::string id = engine.run("Writes").id;
  CHECK(engine.store.outbox().empty());
  is_fixed = true;
  REQUIRE(engine.world->resume(id).ok());
  CHECK(shown(engine.settle(id)) == "stopped/success");
  CHECK(engine.store.outbox().size() == 1);
}

}  // namespace
}  // namespace dynflow::engine
