// Plans that are planned later: at a time, or after others.

#include <algorithm>

#include "shared/engine/delayed_plan.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;
using std::chrono::hours;
using std::chrono::seconds;

struct Later {
  Later() {
    engine.add({.name = "Work", .run = [this](Running& r, const Event*) {
                  ++runs;
                  r.output()["input"] = r.input();
                  secrets.push_back(r.secrets());
                }});
    engine.add({.name = "Wait",
                .run =
                    [](Running& r, const Event* event) {
                      if (!event) r.suspend();
                      if (event && event->name == "fail") throw ActionError("RuntimeError", "told to");
                    },
                .strategy = RescueStrategy::kFail,
                .takes_events = true});
    engine.add({.name = "Bad", .plan = [](Planning&, Json) { throw ActionError("ArgumentError", "no"); }});
    engine.start();
  }
  World& world() { return *engine.world; }
  PlanRequest request(std::string name) {
    PlanRequest made;
    made.action_class = std::move(name);
    made.args = Json{{"a", 1}};
    return made;
  }
  std::string delay(DelayOptions options) { return world().delay(request("Work"), std::move(options))->plan_id; }
  std::string chain(Names ids) { return world().chain(std::move(ids), request("Work"))->plan_id; }

  Engine engine;
  int runs = 0;
  std::vector<Json> secrets;
};

TEST_CASE("a delayed plan is stored as scheduled", "[D01]") {
  Later later;
  const Time when = later.engine.clock.now() + hours(1);
  const std::string id = later.delay({.start_at = when});
  const PlanRecord plan = later.engine.settle(id);
  CHECK(shown(plan) == "scheduled/pending");
  CHECK(plan.label.empty());
  REQUIRE(plan.steps.size() == 1);
  CHECK(step_of(plan, 1).state == StepState::kPending);
  CHECK(progress_of(step_of(plan, 1)) == 0);
  CHECK(history_of(plan) == Names{"delay"});
  CHECK(plan.owner.empty());
  const auto delayed = later.engine.store.load_delayed(id).value();
  CHECK(delayed.start_at == when);
  CHECK(delayed.serializer == "Dynflow::Serializers::Noop");
}

TEST_CASE("a serializer that throws is the caller's error, and the plan is stopped", "[D02]") {
  struct Thrower final : Serializer {
    std::string_view name() const override { return "Thrower"; }
    Json serialize(Json) const override { throw ActionError("ArgumentError", "cannot be stored"); }
    Json deserialize(Json stored) const override { return stored; }
  } thrower;
  Engine engine;
  engine.add({.name = "Bad", .run = [](Running&, const Event*) {}, .serializer = &thrower});
  PlanRequest request;
  request.action_class = "Bad";
  const auto planned = engine.start().delay(request, {});
  REQUIRE(planned.ok());
  REQUIRE(planned->error);
  CHECK(planned->error->message == "cannot be stored");
  CHECK(shown(engine.settle(planned->plan_id)) == "stopped/error");
  CHECK(engine.store.delayed().empty());
  request.action_class = "Nobody";
  CHECK(engine.world->delay(request, {}).error().code() == Code::kNotFound);
}

TEST_CASE("a scheduled plan can be cancelled", "[D03]") {
  Later later;
  const std::string id = later.delay({.start_at = later.engine.clock.now() + hours(1)});
  CHECK(later.world().cancel(id).value() == 1);
  const PlanRecord plan = later.engine.settle(id);
  CHECK(shown(plan) == "stopped/cancelled");
  CHECK(step_of(plan, 1).state == StepState::kCancelled);
  CHECK(history_of(plan) == Names{"delay", "Delayed task cancelled"});
  CHECK(later.engine.store.delayed().empty());
  later.engine.scheduler->advance(hours(2));
  CHECK(later.runs == 0);
  CHECK(later.world().cancel(id).value() == 0);
}

TEST_CASE("a plan starts at its time", "[D04][D07]") {
  Later later;
  const std::string id = later.delay({.start_at = later.engine.clock.now() + hours(1)});
  later.engine.scheduler->advance(hours(1) - std::chrono::milliseconds(1));
  CHECK(shown(later.engine.settle(id)) == "scheduled/pending");
  later.engine.scheduler->advance(std::chrono::milliseconds(1));
  const PlanRecord plan = later.engine.settle(id);
  CHECK(shown(plan) == "stopped/success");
  CHECK(plan.label == "Work");
  CHECK(history_of(plan) == Names{"delay", "start execution", "finish execution"});
  CHECK(output_of(plan)["input"] == Json{{"a", 1}});
  CHECK(later.engine.store.delayed().empty());
  CHECK(later.engine.scheduler->timers() == 0);
}

TEST_CASE("what was due while nobody was there is found at the start", "[D07]") {
  Later later;
  const std::string id = later.delay({.start_at = later.engine.clock.now() + hours(1)});
  later.engine.crash();
  later.engine.clock.advance(hours(2));
  later.engine.start();
  CHECK(shown(later.engine.settle(id)) == "stopped/success");
  later.world().stop(Deadline::after(seconds(10)));
  CHECK_FALSE(later.world().delay(later.request("Work"), {}).ok());
}

TEST_CASE("a plan that could not be started in time fails", "[D05]") {
  Later later;
  const Time before = later.engine.clock.now() + hours(1);
  const std::string id = later.delay({.start_before = before, .is_frozen = true});
  later.engine.scheduler->advance(hours(2));
  CHECK(shown(later.engine.settle(id)) == "scheduled/pending");
  REQUIRE(later.world().set_frozen(id, false).ok());
  const PlanRecord plan = later.engine.settle(id);
  CHECK(shown(plan) == "stopped/error");
  CHECK(step_of(plan, 1).error->message ==
        "Execution plan could not be started before set time (2026-01-01 01:00:00 UTC)");
  CHECK(step_of(plan, 1).error->exception_class == "StandardError");
  CHECK(history_of(plan) == Names{"delay", "timeout"});
  CHECK(later.engine.store.delayed().empty());
}

TEST_CASE("a record whose plan is on its way already is tidied", "[D06]") {
  Later later;
  const std::string half = later.delay({.start_at = later.engine.clock.now() + hours(1)});
  const std::string stopped = later.delay({.start_at = later.engine.clock.now() + hours(1)});
  later.engine.store.plans().at(half).state = PlanState::kPlanning;
  later.engine.store.plans().at(stopped).state = PlanState::kPaused;
  later.engine.scheduler->advance(hours(1));
  CHECK(shown(later.engine.settle(half)) == "stopped/success");
  CHECK(later.engine.settle(stopped).state == PlanState::kPaused);
  CHECK(later.engine.store.delayed().empty());
}

TEST_CASE("a delayed plan that could not be written at its time is tried again") {
  Later later;
  const auto start_at = later.engine.clock.now() + hours(1);
  const auto fails_once = [&](const std::string& id, const char* end) {
    later.engine.clock.advance(hours(1));
    later.engine.store.fail_next(1);
    later.engine.scheduler->run_ready();
    CHECK(shown(later.engine.settle(id)) == "scheduled/pending");
    later.engine.scheduler->advance(seconds(10));
    CHECK(shown(later.engine.settle(id)) == end);
  };
  SECTION("its planning") {
    fails_once(later.delay({.start_at = start_at}), "stopped/success");
    CHECK(later.engine.scheduler->timers() == 0);
  }
  SECTION("its end") { fails_once(later.delay({.start_at = start_at + hours(1), .start_before = start_at}), "stopped/error"); }
}

TEST_CASE("a plan gets no secrets of an earlier one that had its id and was never planned") {
  Later later;
  PlanRequest request = later.request("Work");
  request.plan_id = "again";
  request.secrets = Json{{"password", "old"}};
  SECTION("halted") {
    REQUIRE(later.world().delay(request, {.start_at = later.engine.clock.now() + hours(1)}).ok());
    REQUIRE(later.world().halt("again").ok());
  }
  SECTION("too late") {
    const auto before = later.engine.clock.now() + hours(1);
    REQUIRE(later.world().delay(request, {.start_at = before + hours(1), .start_before = before}).ok());
    later.engine.scheduler->advance(hours(1));
  }
  REQUIRE(later.engine.settle("again").state == PlanState::kStopped);
  later.engine.store.plans().erase("again");  // cleaned
  request.secrets = nullptr;
  REQUIRE(later.world().delay(request, {}).ok());
  CHECK(shown(later.engine.settle("again")) == "stopped/success");
  CHECK(later.secrets == std::vector<Json>{nullptr});
}

TEST_CASE("arguments come back as they were, and missing ones are an error", "[D08]") {
  const NoopSerializer noop;
  const Json args = {{"a", {1, 2.5, nullptr, "x"}}};
  CHECK(noop.deserialize(noop.serialize(args)) == args);
  Later later;
  const std::string id = later.delay({.is_frozen = true});
  auto delayed = later.engine.store.load_delayed(id).value();
  delayed.args.clear();
  CHECK_FALSE(request_of(later.engine.registry, later.engine.settle(id), delayed).ok());
  delayed.args = "{}";
  delayed.serializer = "Somebody's";
  CHECK_FALSE(request_of(later.engine.registry, later.engine.settle(id), delayed).ok());
}

TEST_CASE("a chained plan starts when the other has stopped", "[D09]") {
  Later later;
  const std::string first = later.engine.trigger("Wait");
  const std::string second = later.chain({first});
  CHECK(shown(later.engine.settle(second)) == "scheduled/pending");
  later.world().send(first, 2, {"end", {}});
  CHECK(shown(later.engine.settle(second)) == "stopped/success");
  // Nothing to wait for any more.
  CHECK(shown(later.engine.settle(later.chain({first, second}))) == "stopped/success");
  CHECK(later.world().chain({"nobody"}, later.request("Work")).error().code() == Code::kNotFound);
}

TEST_CASE("a chained plan waits for all", "[D10]") {
  Later later;
  const std::string a = later.engine.trigger("Wait");
  const std::string b = later.engine.trigger("Wait");
  const std::string c = later.chain({a, b});
  later.world().send(a, 2, {"end", {}});
  CHECK(shown(later.engine.settle(c)) == "scheduled/pending");
  later.world().send(b, 2, {"end", {}});
  CHECK(shown(later.engine.settle(c)) == "stopped/success");
}

TEST_CASE("a failed prerequisite fails the plan, whatever its times", "[D11][Q8]") {
  Later later;
  const std::string good = later.engine.trigger("Wait");
  const std::string bad = later.engine.trigger("Wait");
  const std::string plain = later.chain({good, bad});
  DelayOptions options;
  options.blocked_by = {good, bad};
  options.start_before = later.engine.clock.now() + hours(1);
  const std::string timed = later.delay(options);
  later.world().send(good, 2, {"end", {}});
  later.world().send(bad, 2, {"fail", {}});
  for (const std::string& id : {plain, timed}) {
    const PlanRecord plan = later.engine.settle(id);
    CHECK(shown(plan) == "stopped/error");
    CHECK(step_of(plan, 1).error->message ==
          "Execution plan could not be started because some of its prerequisite execution plans failed:\n- " + bad);
    CHECK(history_of(plan) == Names{"delay", "failed-dependency"});
  }
  CHECK(later.runs == 0);
}

TEST_CASE("a chain of chains goes through, in one go") {
  Later later;
  const std::string first = later.engine.trigger("Wait");
  Names ids{first};
  for (int i = 0; i < 20; ++i) ids.push_back(later.chain({ids.back()}));
  later.world().send(first, 2, {"end", {}});
  CHECK(shown(later.engine.settle(ids.back())) == "stopped/success");
  CHECK(later.runs == 20);
}

TEST_CASE("many due plans all start, whoever holds others") {
  Later later;
  later.engine.store.other_worlds()["other"] = {"other", "{}", {}, true};
  Names ids;
  for (int i = 0; i < 250; ++i) ids.push_back(later.delay({.start_at = later.engine.clock.now() + hours(1)}));
  Names theirs(ids.begin(), ids.begin() + 120);
  for (const std::string& id : theirs) later.engine.store.plans().at(id).owner = "other";
  later.engine.scheduler->advance(hours(1));
  CHECK(later.runs == 130);
  for (const std::string& id : theirs) CHECK(shown(later.engine.settle(id)) == "scheduled/pending");
}

TEST_CASE("a plan with secrets is this world's, one without is anybody's") {
  Later later;
  PlanRequest request = later.request("Work");
  request.secrets = Json{{"password", "x"}};
  const std::string id = later.world().delay(request, {.start_at = later.engine.clock.now() + hours(1)})->plan_id;
  CHECK(later.engine.settle(id).owner == later.world().id());
  later.engine.scheduler->advance(hours(1));
  CHECK(shown(later.engine.settle(id)) == "stopped/success");
  REQUIRE(later.secrets.size() == 1);
  CHECK(later.secrets.front() == Json{{"password", "x"}});
}

TEST_CASE("a plan planned elsewhere is planned at once, not by the caller") {
  Later later;
  const auto planned = later.world().plan_elsewhere(later.request("Work"));
  REQUIRE(planned.ok());
  CHECK(later.runs == 0);
  CHECK(shown(later.engine.settle(planned->plan_id)) == "stopped/success");
}

TEST_CASE("a delayed plan whose planning fails ends with the error") {
  Later later;
  const auto planned = later.world().plan_elsewhere(later.request("Bad"));
  const PlanRecord plan = later.engine.settle(planned->plan_id);
  CHECK(shown(plan) == "stopped/error");
  CHECK(step_of(plan, 1).error->message == "no");
  CHECK(history_of(plan) == Names{"delay", "finish execution"});
  CHECK(later.engine.store.delayed().empty());
}

}  // namespace
}  // namespace dynflow::engine
