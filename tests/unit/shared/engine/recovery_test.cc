// What a world makes of the plans that an earlier one left in the store.

#include <algorithm>

#include "shared/engine/recovery.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;

// Suspends until "end"; its runs and events are counted in `seen`.
Script listener(std::string name, Names& seen) {
  return {.name = std::move(name),
          .run =
              [&seen](Running& r, const Event* event) {
                seen.push_back(event ? event->name : "start");
                if (!event || event->name != "end") r.suspend();
              },
          .takes_events = true,
          .is_cancellable = true};
}

const std::string kLost = "Abnormal termination (previous state: running)";

TEST_CASE("a step that was running is an error, and its rescue strategy decides", "[recovery][W10][Q2][Q5]") {
  struct Row {
    RescueStrategy strategy;
    bool auto_rescue;
    std::string expected;
    Names history;
    int runs_after;
  };
  const Names start{"start execution", "terminate execution"};
  const std::vector<Row> table = {
      {RescueStrategy::kPause, true, "paused/error", {"start execution", "terminate execution"}, 0},
      {RescueStrategy::kPause, false, "paused/error", {"start execution", "terminate execution"}, 0},
      {RescueStrategy::kSkip, false, "paused/error", {"start execution", "terminate execution"}, 0},
      {RescueStrategy::kFail, true, "stopped/error",
       {"start execution", "terminate execution", "finish execution"}, 0},
      {RescueStrategy::kSkip, true, "stopped/warning",
       {"start execution", "terminate execution", "start execution", "finish execution"}, 0},
  };
  for (const Row& row : table) {
    Engine engine;
    int runs = 0;
    engine.add({.name = "Work", .run = [&](Running&, const Event*) { ++runs; }, .strategy = row.strategy});
    const std::string id = engine.trigger("Work");
    // Until it is durable that the step runs, and before it has begun.
    while (engine.store.committed().size() < 2) REQUIRE(engine.scheduler->run_one());
    engine.crash();
    REQUIRE(engine.store.plans().at(id).steps[1].state == StepState::kRunning);
    const int before = runs;

    engine.auto_rescue = row.auto_rescue;
    engine.start();
    const PlanRecord plan = engine.settle(id);
    CHECK(shown(plan) == row.expected);
    CHECK(history_of(plan) == row.history);
    CHECK(step_of(plan, 2).error->message == kLost);
    CHECK(step_of(plan, 2).error->exception_class == "StandardError");
    CHECK(runs == before);
    CHECK(engine.world->active_plans() == 0);
    CHECK(shown(engine.store.plans().at(id)) == row.expected);
  }
}

TEST_CASE("a suspended step is run again with no event, then gets the events that waited", "[recovery]") {
  Engine engine;
  Names seen;
  engine.add(listener("Listen", seen));
  const std::string id = engine.run("Listen").id;
  const std::string first_world = engine.world->id();
  // Acknowledged, and its step not yet run.
  CHECK(engine.world->cancel(id).value() == 1);
  engine.store.fail_next(100, Code::kClosed);
  engine.crash();
  engine.store.fail_next(0);
  REQUIRE(engine.store.events().size() == 1);
  seen.clear();
  engine.start();
  const PlanRecord plan = engine.settle(id);
  CHECK(seen == Names{"start", std::string(kCancel)});
  CHECK(history_of(plan) == Names{"start execution", "cancel requested", "terminate execution", "start execution"});
  CHECK(plan.history[2].world_id == first_world);
  CHECK(plan.history[3].world_id == engine.world->id());
  CHECK(shown(plan) == "running/pending");
  CHECK(engine.store.events().empty());
  engine.world->send(id, 2, {"end", {}});
  CHECK(shown(engine.settle(id)) == "stopped/success");
}

TEST_CASE("a plan with a lost and a suspended step pauses; resumed, both run again", "[recovery]") {
  Engine engine;
  Names seen;
  engine.add(listener("Listen", seen));
  engine.add({.name = "Work", .run = [&](Running&, const Event*) { seen.push_back("work"); }});
  engine.add({.name = "Both", .plan = [](Planning& p, Json) { p.plan_action("Listen", {}), p.plan_action("Work", {}); }});
  const std::string id = engine.run("Both").id;
  engine.crash();
  PlanRecord& stored = engine.store.plans().at(id);
  stored.steps[4].state = StepState::kRunning;
  engine.start();
  const PlanRecord paused = engine.settle(id);
  CHECK(shown(paused) == "paused/error");
  CHECK(step_of(paused, 3).state == StepState::kSuspended);
  seen.clear();
  REQUIRE(engine.world->resume(id).ok());
  engine.settle(id);
  std::sort(seen.begin(), seen.end());
  CHECK(seen == Names{"start", "work"});
  engine.world->send(id, 3, {"end", {}});
  CHECK(shown(engine.settle(id)) == "stopped/success");
}

TEST_CASE("the recovery table has a rule for everything, and a stopped plan is never touched", "[recovery]") {
  using F = Finding;
  for (const PlanState state : {PlanState::kPending, PlanState::kScheduled, PlanState::kPlanning, PlanState::kPlanned,
                                PlanState::kRunning, PlanState::kPaused, PlanState::kStopped}) {
    for (const F finding : {F::kAny, F::kAllPlanned, F::kSound, F::kWantsSkip, F::kWantsFail, F::kWantsPause}) {
      const auto& rules = recovery_rules();
      CHECK(std::any_of(rules.begin(), rules.end(), [&](const RecoveryRule& rule) {
        return rule.state == state && (rule.finding == F::kAny || rule.finding == finding);
      }));
      const bool rests = state == PlanState::kScheduled || state == PlanState::kPaused || state == PlanState::kStopped;
      CHECK((takeover_of(state, finding) == Takeover::kLeave) == rests);
    }
  }
  CHECK(takeover_of(PlanState::kRunning, F::kWantsFail) == Takeover::kStop);
  CHECK(takeover_of(PlanState::kRunning, F::kWantsPause) == Takeover::kPause);
}

TEST_CASE("planned plans are started, paused ones left, stopped ones not looked at", "[recovery]") {
  Engine engine;
  engine.add({.name = "Good", .run = [](Running&, const Event*) {}});
  engine.add({.name = "Bad", .run = [](Running&, const Event*) { throw std::runtime_error("no"); }});
  const std::string stopped = engine.run("Good").id;
  const std::string paused = engine.run("Bad").id;
  const std::string planned = engine.trigger("Good");
  engine.crash();
  REQUIRE(engine.store.plans().at(planned).state == PlanState::kPlanned);
  engine.start();
  CHECK(shown(engine.settle(planned)) == "stopped/success");
  CHECK(history_of(engine.settle(planned)) == Names{"start execution", "finish execution"});
  CHECK(shown(engine.settle(paused)) == "paused/error");
  CHECK(history_of(engine.settle(stopped)) == Names{"start execution", "finish execution"});
}

TEST_CASE("half-planned plans end or go on, a lost finalize step is an error", "[recovery][W13]") {
  Engine engine;
  engine.add({.name = "Good", .run = [](Running&, const Event*) {}, .finalize = [](Finalizing&) {}});
  const std::string id = engine.run("Good").id;
  engine.crash();
  PlanRecord half = engine.store.plans().at(id);
  half.id = "half";
  half.state = PlanState::kPlanning;
  half.steps[0].state = StepState::kRunning;
  half.history.clear();
  engine.store.plans()["half"] = half;
  PlanRecord whole = half;
  whole.id = "whole";
  whole.steps[0].state = StepState::kSuccess;
  for (const std::size_t i : {1U, 2U}) whole.steps[i].state = StepState::kPending;
  engine.store.plans()["whole"] = whole;
  PlanRecord& finalizing = engine.store.plans().at(id);
  finalizing.state = PlanState::kRunning;
  finalizing.steps[2].state = StepState::kRunning;
  engine.start();
  CHECK(shown(engine.settle("half")) == "stopped/error");
  CHECK(shown(engine.settle("whole")) == "stopped/success");
  const PlanRecord paused = engine.settle(id);
  CHECK(shown(paused) == "paused/error");
  REQUIRE(engine.world->resume(id).ok());
  CHECK(shown(engine.settle(id)) == "stopped/success");
}

TEST_CASE("a stored plan of an unknown class, and one with a broken flow, end with an error", "[recovery]") {
  Engine engine;
  Names seen;
  engine.add(listener("Listen", seen));
  const std::string id = engine.run("Listen").id;
  const std::string broken = engine.run("Listen").id;
  const std::string stranger = engine.run("Listen").id;
  engine.crash();
  for (auto& action : engine.store.plans().at(id).actions) action.action_class = "Gone";
  engine.store.plans().at(broken).run_flow = "[\"X\"]";
  engine.store.plans().at(stranger).run_flow = "77";
  engine.start();
  const PlanRecord plan = engine.settle(id);
  CHECK(shown(plan) == "paused/error");
  CHECK(step_of(plan, 2).error->message == "The action class 'Gone' is not known here");
  CHECK(shown(engine.settle(broken)) == "stopped/error");
  CHECK(shown(engine.settle(stranger)) == "stopped/error");
  CHECK(status_document(*engine.world, id).ok());
}

TEST_CASE("a world that stops begins nothing new and says where everything stands", "[recovery]") {
  Engine engine;
  Names seen;
  engine.add(listener("Listen", seen));
  int runs = 0;
  engine.add({.name = "Work", .run = [&](Running&, const Event*) { ++runs; }});
  const std::string suspended = engine.run("Listen").id;
  const std::string announced = engine.trigger("Work");
  for (bool is_announced = false; !is_announced;) {
    REQUIRE(engine.scheduler->run_one());
    is_announced = engine.store.plans().at(announced).steps[1].state == StepState::kRunning;
  }
  const int before = runs;
  const std::string fresh = engine.trigger("Work");
  engine.world->stop(Deadline::after(std::chrono::seconds(10)));
  CHECK(engine.store.plans().at(suspended).steps[1].state == StepState::kSuspended);
  const bool has_begun = runs > before;
  if (!has_begun) CHECK(engine.store.plans().at(announced).steps[1].state == StepState::kPending);
  CHECK(engine.store.plans().at(fresh).state != PlanState::kStopped);
  engine.crash();
  engine.start();
  CHECK(shown(engine.settle(announced)) == "stopped/success");
  CHECK(shown(engine.settle(fresh)) == "stopped/success");
  CHECK(shown(engine.settle(suspended)) == "running/pending");
  CHECK(runs == 2);
}

TEST_CASE("a plan that lacks steps is shown as invalid, with what is known of it", "[recovery][S02][Q19]") {
  Engine engine;
  engine.add({.name = "Work", .run = [](Running&, const Event*) {}});
  const std::string id = engine.run("Work").id;
  const auto whole = json::parse(*status_document(*engine.world, id));
  CHECK_FALSE(whole->contains("invalid"));
  engine.store.plans().at(id).steps.clear();
  const auto damaged = json::parse(*status_document(*engine.world, id));
  REQUIRE(damaged.ok());
  CHECK(damaged->at("invalid") == true);
  CHECK_THAT(json::get_string(*damaged, "error"), Catch::Contains("steps are missing"));
  for (const char* kept : {"id", "class", "label", "state", "result", "started_at", "ended_at", "execution_history"}) {
    CAPTURE(kept);
    CHECK(damaged->at(kept) == whole->at(kept));
  }
  CHECK(damaged->at("actions").empty());
}

TEST_CASE("a plan whose rows do not fit together is left as it is, and the others go on", "[recovery]") {
  Engine engine;
  Names seen;
  engine.add(listener("Listen", seen));
  const std::string id = engine.run("Listen").id;
  const std::string other = engine.run("Listen").id;
  engine.crash();
  PlanRecord& plan = engine.store.plans().at(id);
  SECTION("the action of a step is missing") { plan.actions.clear(); }
  SECTION("a step names an action that is not there") { plan.steps[1].action_id = 9; }
  SECTION("a step names no action") { plan.steps[1].action_id = 0; }
  SECTION("a step is missing") { plan.steps.erase(plan.steps.begin()); }
  SECTION("an action names a step that is not there") { plan.actions[0].run_step_id = 9; }
  SECTION("a plan step is a child of its own") { plan.steps[0].children = {1}; }
  SECTION("a plan step has a child that is not there") { plan.steps[0].children = {9}; }
  const PlanRecord damaged = plan;
  engine.start();
  CHECK(shown(engine.settle(other)) == "running/pending");
  engine.world->send(other, 2, {"end", {}});
  CHECK(shown(engine.settle(other)) == "stopped/success");
  CHECK(engine.store.plans().at(id).steps == damaged.steps);
  CHECK(engine.store.plans().at(id).history == damaged.history);
  CHECK(engine.world->active_plans() == 0);
  CHECK(engine.world->halt(id).error().code() == Code::kCorrupt);
  engine.store.plans().at(id).state = PlanState::kPaused;
  CHECK(engine.world->resume(id).error().code() == Code::kCorrupt);
  CHECK(engine.world->skip(id, 2).error().code() == Code::kCorrupt);
  CHECK(engine.world->active_plans() == 0);
}

TEST_CASE("what an action does when its result is durable is done then, and not when it failed", "[recovery]") {
  Engine engine;
  int heard = 0;
  std::string refusal;
  engine.add({.name = "Start", .run = [&](Running& running, const Event*) {
                running.when_stored([&](const Status& stored) {
                  REQUIRE(stored.ok());
                  ++heard;
                });
                running.suspend();
              }});
  engine.add({.name = "Fail", .run = [&](Running& running, const Event*) {
                running.when_stored([&](const Status& stored) { refusal = stored.error().message(); });
                throw std::runtime_error("no");
              }});
  const std::string id = engine.trigger("Start");
  while (heard == 0) {
    const bool was_stored = engine.store.plans().at(id).steps[1].state == StepState::kSuspended;
    REQUIRE(engine.scheduler->run_one());
    if (heard > 0) CHECK(was_stored);
  }
  engine.run("Fail");
  CHECK(refusal == "no");
  CHECK(heard == 1);
  // The output of a step that waits can be changed; of one that has ended it cannot.
  std::vector<Code> answers;
  const auto note = [&](const std::string& plan, int step) {
    engine.world->note_output(plan, step, {{"noted", 1}, {"gone", nullptr}},
                              [&](const Status& status) { answers.push_back(status.ok() ? Code::kFailed : status.error().code()); });
    engine.settle(plan);
  };
  note(id, 2);
  CHECK(engine.store.plans().at(id).actions.front().output == R"({"noted":1})");
  note(id, 7);
  CHECK(answers == std::vector<Code>{Code::kFailed, Code::kConflict});
}

TEST_CASE("events of plans that have ended are swept away", "[recovery]") {
  Engine engine;
  Names seen;
  engine.add(listener("Listen", seen));
  const std::string id = engine.run("Listen").id;
  engine.world->send(id, 2, {"end", {}});
  engine.settle(id);
  persistence::WriteBatch batch;
  batch.add(persistence::WriteBatch::PutEvent{{"late", id, 2, "late", "null", engine.clock.now(), {}}});
  engine.store.submit(std::move(batch), persistence::Durability::kFull, [](Status) {});
  engine.scheduler->run_ready();
  engine.crash();
  REQUIRE(engine.store.events().size() == 1);
  engine.start();
  CHECK(engine.store.events().empty());
}

TEST_CASE("output of a recovered plan waits for a store that cannot be read", "[recovery]") {
  Engine engine;
  Names seen;
  engine.add(listener("Listen", seen));
  const std::string id = engine.run("Listen").id;
  const auto say = [&](std::string text) {
    engine.world->append_output(id, 1, {{0, "stdout", std::move(text), engine.clock.now(), {}}});
  };
  say("one");
  say("two");
  engine.settle(id);
  engine.crash();
  engine.start();
  engine.settle(id);
  engine.store.fail_chunk_reads(true);
  say("three");
  engine.world->send(id, 2, {"end", {}});
  CHECK(shown(engine.settle(id)) != "stopped/success");
  CHECK(engine.world->active_plans() == 1);
  engine.store.fail_chunk_reads(false);
  engine.scheduler->run_to_the_end();
  CHECK(shown(engine.settle(id)) == "stopped/success");
  const auto chunks = engine.store.load_chunks(id, 1, 0, 0).value();
  REQUIRE(chunks.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(chunks[i].sequence == static_cast<std::int64_t>(i + 1));
  CHECK(chunks[2].output == "three");
}

TEST_CASE("the end of a runner that came before the stop is not lost", "[recovery]") {
  Engine engine;
  Names seen;
  engine.add(listener("Listen", seen));
  int reports = 0;
  engine.add({.name = "Report", .run = [&](Running&, const Event*) { ++reports; }, .is_pure = true});
  int others = 0;
  engine.add({.name = "Other", .run = [&](Running&, const Event*) { ++others; }});
  engine.add({.name = "Job", .plan = [](Planning& p, Json) {
                p.sequence([&] {
                  p.plan_action("Listen", Json::object());
                  p.plan_action("Report", Json::object());
                  p.plan_action("Other", Json::object());
                });
              }});
  const PlanRecord job = engine.run("Job");
  const std::string id = job.id;
  const auto listening = std::find_if(job.steps.begin(), job.steps.end(),
                                      [](const StepRecord& step) { return step.state == StepState::kSuspended; });
  REQUIRE(listening != job.steps.end());
  engine.world->send(id, listening->id, {"end", {}});
  engine.world->stop(Deadline::after(std::chrono::seconds(10)));
  CHECK(seen == Names{"start", "end"});
  CHECK(reports == 1);
  CHECK(others == 0);
  engine.crash();
  CHECK(shown(engine.store.plans().at(id)) == "running/pending");
  engine.start();
  CHECK(shown(engine.settle(id)) == "stopped/success");
  CHECK(seen == Names{"start", "end"});
  CHECK(reports == 1);
  CHECK(others == 1);
}

}  // namespace
}  // namespace dynflow::engine
