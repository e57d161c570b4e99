// Plans that are halted: they stop where they are.

#include <condition_variable>
#include <mutex>
#include <thread>

#include "shared/persistence/sqlite/sqlite_store.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;

Script listener(std::string name, int& runs) {
  return {.name = std::move(name),
          .run =
              [&runs](Running& r, const Event* event) {
                ++runs;
                if (!event || event->name != "end") r.suspend();
              },
          .takes_events = true,
          .is_cancellable = true};
}

TEST_CASE("a suspended plan is halted: its steps stay, nothing follows", "[H01]") {
  Engine engine;
  int runs = 0;
  engine.add(listener("Listen", runs));
  engine.add({.name = "Both", .plan = [](Planning& p, Json) {
                p.sequence([&] { p.plan_action("Listen", {}), p.plan_action("Listen", {}); });
              }});
  const std::string id = engine.run("Both").id;
  CHECK(engine.world->halt(id).ok());
  PlanRecord plan = engine.settle(id);
  CHECK(shown(plan) == "stopped/pending");
  CHECK(step_of(plan, 3).state == StepState::kSuspended);
  CHECK(step_of(plan, 5).state == StepState::kPending);
  CHECK(history_of(plan) == Names{"start execution", "halt", "finish execution"});
  const std::size_t written = engine.store.committed().size();
  engine.world->send(id, 3, {"end", {}});
  CHECK(engine.world->cancel(id).value() == 0);
  CHECK(engine.world->halt(id).ok());
  CHECK(engine.settle(id) == plan);
  CHECK(engine.store.committed().size() == written);
  CHECK(runs == 1);
  CHECK(engine.store.events().empty());
  CHECK(engine.world->active_plans() == 0);
}

TEST_CASE("a plan with a failed branch is stopped by a halt, not paused", "[Q6]") {
  Engine engine;
  int runs = 0;
  engine.add(listener("Listen", runs));
  engine.add({.name = "Bad", .run = [](Running&, const Event*) { throw std::runtime_error("no"); }});
  engine.add({.name = "Both", .plan = [](Planning& p, Json) { p.plan_action("Listen", {}), p.plan_action("Bad", {}); }});
  const std::string id = engine.run("Both").id;
  CHECK(shown(engine.settle(id)) == "running/error");
  CHECK(engine.world->halt(id).ok());
  CHECK(shown(engine.settle(id)) == "stopped/error");
}

TEST_CASE("paused, planned, scheduled and stopped plans can be halted, unknown ones not", "[H01][Q7]") {
  Engine engine;
  int runs = 0;
  engine.add(listener("Listen", runs));
  engine.add({.name = "Bad", .run = [](Running&, const Event*) { throw std::runtime_error("no"); }});
  const std::string paused = engine.run("Bad").id;
  REQUIRE(engine.world->halt(paused).ok());
  CHECK(shown(engine.settle(paused)) == "stopped/error");
  CHECK(engine.world->halt(paused).ok());
  CHECK(engine.world->resume(paused).error().message() ==
        "cannot execute execution_plan_id:" + paused + " it's stopped");

  PlanRequest request;
  request.action_class = "Listen";
  DelayOptions later;
  later.start_at = engine.clock.now() + std::chrono::hours(1);
  const std::string scheduled = engine.world->delay(request, later)->plan_id;
  REQUIRE(engine.world->halt(scheduled).ok());
  CHECK(shown(engine.settle(scheduled)) == "stopped/pending");
  CHECK(engine.store.delayed().empty());
  engine.scheduler->advance(std::chrono::hours(2));
  CHECK(runs == 0);

  const std::string planned = engine.trigger("Listen");
  REQUIRE(engine.world->halt(planned).ok());
  CHECK(engine.settle(planned).state == PlanState::kStopped);

  CHECK(engine.world->halt("nobody").error().code() == Code::kNotFound);
  CHECK(engine.store.events().empty());
}

TEST_CASE("a halt that was acknowledged holds after a crash", "[H02]") {
  Engine engine;
  int runs = 0;
  engine.add(listener("Listen", runs));
  const std::string id = engine.run("Listen").id;
  engine.crash();
  persistence::WriteBatch request;
  request.add(persistence::WriteBatch::PutEvent{{"halt", id, 0, std::string(kHaltPlan), "null", engine.clock.now(), {}}});
  engine.store.submit(std::move(request), persistence::Durability::kFull, [](Status) {});
  engine.scheduler->run_ready();
  runs = 0;
  engine.start();
  const PlanRecord plan = engine.settle(id);
  CHECK(shown(plan) == "stopped/pending");
  CHECK(step_of(plan, 2).state == StepState::kSuspended);
  CHECK(runs == 0);
  CHECK(engine.store.events().empty());
}

TEST_CASE("a halted plan's dependents run", "[D12]") {
  Engine engine;
  int runs = 0;
  engine.add(listener("Listen", runs));
  int after = 0;
  engine.add({.name = "After", .run = [&](Running&, const Event*) { ++after; }});
  const std::string id = engine.run("Listen").id;
  PlanRequest request;
  request.action_class = "After";
  const std::string chained = engine.world->chain({id}, request)->plan_id;
  engine.scheduler->run_ready();
  CHECK(after == 0);
  REQUIRE(engine.world->halt(id).ok());
  CHECK(shown(engine.settle(chained)) == "stopped/success");
  CHECK(after == 1);
}

TEST_CASE("a halt waits for whoever has the plan in hands", "[H01]") {
  Engine engine;
  engine.add({.name = "Bad", .run = [](Running&, const Event*) { throw std::runtime_error("no"); }});
  const std::string id = engine.run("Bad").id;
  REQUIRE(shown(engine.settle(id)) == "paused/error");
  engine.store.put({"skip", id, 0, std::string(kSkipStep), R"({"step_id":2})", engine.clock.now(), {}});
  engine.store.wake();
  while (engine.world->active_plans() == 0) REQUIRE(engine.scheduler->run_one());
  // The skip is being written now.
  SECTION("when it is asked for here") { CHECK(engine.world->halt(id).ok()); }
  SECTION("when it was stored by another world") {
    engine.store.put({"halt", id, 0, std::string(kHaltPlan), "null", engine.clock.now(), {}});
    engine.store.wake();
    engine.scheduler->advance(std::chrono::seconds(1));
  }
  CHECK(history_of(engine.settle(id)) ==
        Names{"start execution", "pause execution", "step 2 skipped", "halt", "finish execution"});
  CHECK(engine.store.events().empty());
  CHECK(engine.world->active_plans() == 0);
}

// On real threads: the action sees it while it runs.
TEST_CASE("a running action sees the halt, and what it did is not kept", "[H01][threads]") {
  auto store = std::move(*persistence::open_sqlite_store({}));
  REQUIRE(store->start().ok());
  std::mutex mutex;
  std::condition_variable changed;
  bool is_running = false;
  bool may_go = false;
  ActionRegistry registry;
  REQUIRE(registry
              .add(to_class({.name = "Busy",
                             .run =
                                 [&](Running& r, const Event*) {
                                   std::unique_lock lock(mutex);
                                   is_running = true;
                                   changed.notify_all();
                                   while (!r.is_halted()) changed.wait_for(lock, std::chrono::milliseconds(1));
                                   r.output()["done"] = true;
                                   changed.wait(lock, [&] { return may_go; });
                                 }}))
              .ok());
  auto scheduler = make_thread_scheduler(2);
  WorldOptions options;
  options.store = store.get();
  options.registry = &registry;
  options.scheduler = scheduler.get();
  auto world = std::make_unique<World>(options);
  REQUIRE(world->start().ok());
  PlanRequest request;
  request.action_class = "Busy";
  const std::string id = world->trigger({request})->front().plan_id;
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return is_running; });
  }
  CHECK(world->halt(id).ok());  // durable; its effect waits for the action
  {
    const std::lock_guard lock(mutex);
    may_go = true;
    changed.notify_all();
  }
  while (world->active_plans() > 0) std::this_thread::yield();
  const PlanRecord plan = store->load_plan(id).value();
  CHECK(shown(plan) == "stopped/pending");
  CHECK(step_of(plan, 2).state == StepState::kRunning);
  CHECK(output_of(plan).empty());
  CHECK(store->load_events_of(id)->empty());
  world->stop(Deadline::after(std::chrono::seconds(5)));
  world.reset();
  scheduler->stop();
  store->stop();
}

}  // namespace
}  // namespace dynflow::engine
