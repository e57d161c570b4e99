// A world among others on one store: what it claims, hears, shares, and does when it was taken for dead.

#include <algorithm>
#include <set>

#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;
using persistence::WriteBatch;

// Suspends until "end".
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

// Plans that observers were told are not in work here any more.
struct DropObserver final : PlanObserver {
  void plan_changed(const PlanRecord&, WriteBatch&) override {}
  void plan_dropped(const std::string& plan_id) override { dropped.push_back(plan_id); }
  Names dropped;
};

// An engine on a store that another process uses too.
struct Shared {
  Shared() {
    engine.store.set_shared(true);
    engine.observers = {&drops};
    engine.add(listener("Listen", seen));
    engine.add({.name = "Work", .run = [this](Running&, const Event*) { ++runs; }});
  }
  void other_world_joins(const std::string& id) { engine.store.other_worlds()[id] = {id, "{}", {}, true}; }
  // A plan that waits for events, in the hands of the other world.
  std::string plan_of(const std::string& world_id) {
    const std::string id = engine.run("Listen").id;
    PlanRecord taken = engine.store.plans().at(id);
    taken.id = "theirs";
    taken.owner = world_id;
    engine.store.plans()["theirs"] = taken;
    return "theirs";
  }
  void put(const std::string& event_id, const std::string& plan_id, int step_id, const std::string& name) {
    WriteBatch batch;
    batch.add(WriteBatch::PutEvent{{event_id, plan_id, step_id, name, "null", engine.clock.now(), {}}});
    engine.store.submit(std::move(batch), persistence::Durability::kFull, [](Status) {});
    engine.scheduler->run_ready();
  }

  DropObserver drops;
  Engine engine;
  Names seen;
  int runs = 0;
};

TEST_CASE("a world joins with its name and process id, and leaves", "[W04]") {
  Shared shared;
  World& world = shared.engine.start();
  const auto worlds = shared.engine.store.load_worlds().value();
  REQUIRE(worlds.size() == 1);
  CHECK(worlds[0].id == world.id());
  const Json meta = json::parse(worlds[0].meta).value();
  CHECK_FALSE(json::get_string(meta, "hostname").empty());
  CHECK(json::get_int(meta, "pid", 0) > 0);
  CHECK(shared.engine.run("Listen").owner == world.id());
  world.stop(Deadline::after(std::chrono::seconds(10)));
  world.leave();
  world.leave();
  CHECK(shared.engine.store.load_worlds().value().empty());
}

TEST_CASE("plans of a world that is dead are taken up, those of a living one are left", "[W09]") {
  Shared shared;
  shared.other_world_joins("other");
  shared.engine.start();
  const std::string theirs = shared.plan_of("other");
  shared.seen.clear();
  shared.engine.scheduler->advance(std::chrono::minutes(1));
  CHECK(shared.seen.empty());
  CHECK(shared.engine.store.plans().at(theirs).owner == "other");

  shared.engine.store.other_worlds().at("other").is_alive = false;
  shared.engine.scheduler->advance(std::chrono::minutes(1));
  CHECK(shared.seen == Names{"start"});
  const PlanRecord plan = shared.engine.settle(theirs);
  CHECK(plan.owner == shared.engine.world->id());
  CHECK(history_of(plan) == Names{"start execution", "terminate execution", "start execution"});
}

TEST_CASE("cancel and events for a plan of another world are stored for it", "[W06]") {
  Shared shared;
  shared.other_world_joins("other");
  World& world = shared.engine.start();
  const std::string theirs = shared.plan_of("other");
  const std::size_t before = shared.engine.store.committed().size();

  CHECK(world.cancel(theirs).value() == 1);
  CHECK(world.send_durable(theirs, 2, {"end", Json{{"a", 1}}}).ok());
  const auto unknown = world.send_durable(theirs, 7, {"end", {}});
  CHECK((!unknown.ok() && unknown.error().code() == Code::kNotFound));
  CHECK(world.halt(theirs).ok());

  Names stored;
  for (const auto& [id, event] : shared.engine.store.events()) {
    CHECK(event.plan_id == theirs);
    stored.push_back(event.name + " " + std::to_string(event.step_id));
  }
  std::sort(stored.begin(), stored.end());
  CHECK(stored == Names{std::string(kCancel) + " 0", std::string(kHaltPlan) + " 0", "end 2"});
  std::size_t wakes = 0;
  for (std::size_t i = before; i < shared.engine.store.committed().size(); ++i) {
    for (const auto& change : shared.engine.store.committed()[i].changes()) {
      wakes += std::holds_alternative<WriteBatch::WakeOwner>(change) ? 1U : 0U;
    }
  }
  CHECK(wakes == 3);
  CHECK(shared.engine.store.plans().at(theirs).owner == "other");

  // What is not waiting for events gets none.
  shared.engine.store.plans().at(theirs).steps[1].state = StepState::kPending;
  CHECK(world.cancel(theirs).value() == 0);
  const auto refused = world.send_durable(theirs, 2, {"end", {}});
  CHECK((!refused.ok() && refused.error().code() == Code::kConflict));
}

TEST_CASE("events that another world stored are delivered at the wake, once", "[W06]") {
  Shared shared;
  shared.engine.start();
  const std::string id = shared.engine.run("Listen").id;
  shared.put("one", id, 2, "nudge");
  CHECK(shared.seen == Names{"start"});
  shared.engine.store.wake();
  shared.engine.store.wake();
  shared.engine.scheduler->run_ready();
  shared.engine.store.wake();
  shared.engine.scheduler->run_ready();
  CHECK(shared.seen == Names{"start", "nudge"});
  CHECK(shared.engine.store.events().empty());
  shared.put("two", id, 0, std::string(kCancel));
  shared.engine.store.wake();
  CHECK(history_of(shared.engine.settle(id)) == Names{"start execution", "cancel requested"});
  CHECK(shared.seen == Names{"start", "nudge", std::string(kCancel)});
  CHECK(shared.engine.store.events().empty());

  // Also without a wake, a little later; and what comes too late does not stay.
  shared.put("three", id, 2, "end");
  shared.engine.scheduler->advance(std::chrono::seconds(16));
  CHECK(shown(shared.engine.settle(id)) == "stopped/success");
  shared.put("four", id, 2, "late");
  shared.engine.store.wake();
  shared.engine.scheduler->run_ready();
  CHECK(shared.engine.store.events().empty());
}

TEST_CASE("a paused plan of another world is resumed and skipped by it", "[W06]") {
  Shared shared;
  bool fails = true;
  shared.engine.add({.name = "Bad", .run = [&](Running&, const Event*) {
                       if (fails) throw std::runtime_error("no");
                     }});
  World& world = shared.engine.start();
  const std::string id = shared.engine.run("Bad").id;
  shared.other_world_joins("other");
  shared.engine.store.plans().at(id).owner = "other";
  CHECK(world.skip(id, 2).ok());
  CHECK(world.resume(id).ok());
  CHECK(shown(shared.engine.settle(id)) == "paused/error");
  REQUIRE(shared.engine.store.events().size() == 2);

  // The other one's part, played by this world.
  fails = false;
  shared.engine.store.plans().at(id).owner = world.id();
  shared.engine.store.wake();
  const PlanRecord plan = shared.engine.settle(id);
  shared.engine.store.wake();
  shared.engine.scheduler->run_ready();
  CHECK(shown(shared.engine.settle(id)) != "paused/error");
  CHECK(shared.engine.store.events().empty());
}

TEST_CASE("a world that was declared dead drops its plans, joins again and goes on", "[W09]") {
  Shared shared;
  World& world = shared.engine.start();
  const std::string listening = shared.engine.run("Listen").id;
  const std::string first = world.id();
  shared.engine.store.fence();
  // It hears of it by a write.
  CHECK_FALSE(world.send_durable(listening, 2, {"nudge", {}}).ok());
  shared.engine.scheduler->run_ready();
  shared.engine.scheduler->advance(std::chrono::seconds(2));
  CHECK(world.id() != first);
  CHECK(shared.drops.dropped == Names{listening});
  const PlanRecord plan = shared.engine.settle(listening);
  CHECK(plan.owner == world.id());
  CHECK(shared.seen.front() == "start");
  CHECK(shared.seen.back() == "start");
  CHECK(history_of(plan) == Names{"start execution", "terminate execution", "start execution"});
  CHECK(plan.history[1].world_id == first);
  CHECK(plan.history[2].world_id == world.id());
  CHECK(shown(shared.engine.run("Work")) == "stopped/success");
  CHECK(world.send_durable(listening, 2, {"end", {}}).ok());
  CHECK(shown(shared.engine.settle(listening)) == "stopped/success");
}

TEST_CASE("a world that was declared dead hears of it by its renewal, and leaves what others took", "[W09]") {
  Shared shared;
  World& world = shared.engine.start();
  const std::string listening = shared.engine.run("Listen").id;
  shared.other_world_joins("other");
  shared.engine.store.plans().at(listening).owner = "other";
  shared.engine.store.fence();
  const std::size_t written = shared.engine.store.committed().size();
  shared.engine.scheduler->advance(std::chrono::seconds(16));
  shared.engine.scheduler->advance(std::chrono::seconds(16));
  CHECK(shared.drops.dropped == Names{listening});
  CHECK(world.active_plans() == 0);
  CHECK(shared.engine.store.committed().size() == written);
  CHECK(shared.engine.store.plans().at(listening).owner == "other");
}

TEST_CASE("while others are alive, plans beyond the share are left to whoever has room") {
  Shared shared;
  shared.engine.share_above = 3;
  shared.other_world_joins("other");
  World& world = shared.engine.start();
  Names mine;
  for (int i = 0; i < 3; ++i) mine.push_back(shared.engine.run("Listen").id);
  CHECK(world.active_plans() == 3);
  const std::string shared_plan = shared.engine.trigger("Listen");
  shared.engine.scheduler->run_ready();
  CHECK(shared.engine.store.plans().at(shared_plan).owner.empty());
  CHECK(shown(shared.engine.settle(shared_plan)) == "planned/pending");

  PlanRequest secret;
  secret.action_class = "Listen";
  secret.secrets = Json{{"password", "x"}};
  const std::string kept = world.trigger({secret})->front().plan_id;
  CHECK(shared.engine.settle(kept).owner == world.id());

  // There is room again.
  for (int i = 0; i < 3; ++i) world.send(mine[static_cast<std::size_t>(i)], 2, {"end", {}});
  shared.engine.scheduler->run_ready();
  CHECK(shared.engine.settle(shared_plan).owner == world.id());
  CHECK(shown(shared.engine.settle(shared_plan)) == "running/pending");

  // Nobody has taken it for a while: then it is taken beyond the share.
  for (int i = 0; i < 3; ++i) shared.engine.trigger("Listen");
  const std::string left = shared.engine.trigger("Listen");
  shared.engine.scheduler->run_ready();
  CHECK(shared.engine.store.plans().at(left).owner.empty());
  shared.engine.scheduler->advance(std::chrono::seconds(16));
  CHECK(shown(shared.engine.settle(left)) == "running/pending");
}

TEST_CASE("plans beyond the resident ones wait in the store and start in order") {
  Shared shared;
  shared.engine.max_resident_plans = 2;
  World& world = shared.engine.start();
  Names ids;
  for (int i = 0; i < 6; ++i) {
    PlanRequest request;
    request.action_class = "Listen";
    request.secrets = Json{{"n", i}};
    ids.push_back(world.trigger({request})->front().plan_id);
  }
  shared.engine.scheduler->run_ready();
  CHECK(world.active_plans() == 6);
  CHECK(world.resident_plans() == 2);
  CHECK(shown(shared.engine.settle(ids[2])) == "planned/pending");
  CHECK(world.halt(ids[3]).ok());
  CHECK(shown(shared.engine.settle(ids[3])) == "stopped/pending");
  PlanRequest again;
  again.plan_id = ids[4];
  again.action_class = "Listen";
  CHECK(world.trigger({again}).error().code() == Code::kConflict);
  for (const std::size_t next : {2U, 4U, 5U}) {
    CHECK(shown(shared.engine.settle(ids[next])) == "planned/pending");
    world.send(ids[next == 2 ? 0 : next == 4 ? 1 : 2], 2, {"end", {}});
    shared.engine.scheduler->run_ready();
    CHECK(shown(shared.engine.settle(ids[next])) == "running/pending");
    CHECK(world.resident_plans() == 2);
  }
}

TEST_CASE("a plan that waits for its place is cancelled, and does not run one day") {
  Shared shared;
  shared.engine.max_resident_plans = 1;
  World& world = shared.engine.start();
  shared.engine.run("Listen");
  const std::string waiting = shared.engine.run("Listen").id;
  const std::string next = shared.engine.run("Listen").id;
  const std::string work = shared.engine.run("Work").id;
  REQUIRE(shown(shared.engine.settle(waiting)) == "planned/pending");
  shared.seen.clear();
  SECTION("here") { CHECK(world.cancel(waiting).value() == 1); }
  SECTION("by another world") {
    shared.put("request", waiting, 0, std::string(kCancel));
    shared.engine.store.wake();
  }
  CHECK(shown(shared.engine.settle(waiting)) == "running/pending");
  CHECK(shared.seen == Names{"start", std::string(kCancel)});
  CHECK(shared.engine.store.events().empty());
  // The others wait on; and what knows no cancel waits all the same.
  CHECK(world.cancel(work).value() == 0);
  CHECK(shown(shared.engine.settle(next)) == "planned/pending");
  CHECK(shown(shared.engine.settle(work)) == "planned/pending");
  CHECK(world.active_plans() == 4);
}

TEST_CASE("a plan that nobody has begun is cancelled by the world that is asked") {
  Shared shared;
  shared.engine.share_above = 0;
  shared.other_world_joins("other");
  World& world = shared.engine.start();
  const std::string left = shared.engine.run("Listen").id;
  REQUIRE(shared.engine.store.plans().at(left).owner.empty());
  SECTION("it is anybody's") {
    CHECK(world.cancel(left).value() == 1);
    shared.engine.scheduler->run_ready();
    CHECK(shared.seen == Names{"start", std::string(kCancel)});
  }
  SECTION("it waits in another world") {
    shared.engine.store.plans().at(left).owner = "other";
    CHECK(world.cancel(left).value() == 1);
    REQUIRE(shared.engine.store.events().size() == 1);
    CHECK(shared.engine.store.events().begin()->second.name == kCancel);
    CHECK(shared.seen.empty());
  }
}

TEST_CASE("a scheduled plan is cancelled in whichever world it is") {
  Shared shared;
  shared.other_world_joins("other");
  World& world = shared.engine.start();
  PlanRequest request;
  request.action_class = "Work";
  const std::string id = world.delay(request, {.start_at = shared.engine.clock.now() + std::chrono::hours(1)})->plan_id;
  SECTION("asked here, in another") {
    shared.engine.store.plans().at(id).owner = "other";
    CHECK(world.cancel(id).value() == 1);
    REQUIRE(shared.engine.store.events().size() == 1);
    CHECK(shared.engine.store.events().begin()->second.name == kCancel);
    CHECK(shown(shared.engine.settle(id)) == "scheduled/pending");
  }
  SECTION("asked in another, here") {
    shared.engine.store.plans().at(id).owner = world.id();
    shared.put("request", id, 0, std::string(kCancel));
    shared.engine.store.wake();
    CHECK(shown(shared.engine.settle(id)) == "stopped/cancelled");
    CHECK(shared.engine.store.events().empty());
    shared.engine.scheduler->advance(std::chrono::hours(2));
    CHECK(shared.runs == 0);
  }
}

TEST_CASE("a plan that waits for its place keeps it when an order comes to nothing") {
  Engine engine;
  engine.max_resident_plans = 1;
  Names seen;
  engine.add(listener("Listen", seen));
  engine.add({.name = "Work", .run = [&](Running& r, const Event*) { seen.push_back(r.secrets().dump()); }});
  World& world = engine.start();
  const std::string first = engine.run("Listen").id;
  PlanRequest request;
  request.action_class = "Work";
  request.secrets = Json{{"password", "s"}};
  const std::string waiting = world.trigger({request})->front().plan_id;
  SECTION("a resume") { CHECK(world.resume(waiting).error().code() == Code::kConflict); }
  SECTION("a skip") { CHECK(world.skip(waiting, 2).error().code() == Code::kConflict); }
  SECTION("a halt that cannot be stored") {
    engine.store.fail_next(1);
    CHECK(world.halt(waiting).error().code() == Code::kUnavailable);
  }
  CHECK(shown(engine.settle(waiting)) == "planned/pending");
  CHECK(world.active_plans() == 2);
  world.send(first, 2, {"end", {}});
  CHECK(shown(engine.settle(waiting)) == "stopped/success");
  CHECK(seen.back() == R"({"password":"s"})");
  CHECK(world.active_plans() == 0);
}

TEST_CASE("sub-plans do not wait for the places of those that wait for them") {
  Engine engine;
  engine.max_resident_plans = 1;
  Names seen;
  engine.add(listener("Listen", seen));
  World& world = engine.start();
  const std::string parent = engine.run("Listen").id;
  PlanRequest child;
  child.action_class = "Listen";
  child.caller_plan_id = parent;
  child.caller_action_id = 1;
  const std::string first = world.trigger({child})->front().plan_id;
  const std::string second = world.trigger({child})->front().plan_id;
  CHECK(shown(engine.settle(first)) == "running/pending");
  CHECK(shown(engine.settle(second)) == "planned/pending");
  world.send(first, 2, {"end", {}});
  CHECK(shown(engine.settle(second)) == "running/pending");
}

TEST_CASE("too many plans are refused before anything is stored", "[W19]") {
  Engine engine;
  engine.max_active_plans = 2;
  Names seen;
  engine.add(listener("Listen", seen));
  World& world = engine.start();
  engine.run("Listen");
  PlanRequest request;
  request.action_class = "Listen";
  const auto refused = world.trigger({request, request});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kBusy);
  CHECK(engine.store.plans().size() == 1);
  world.stop(Deadline::after(std::chrono::seconds(1)));
  world.stop(Deadline::after(std::chrono::seconds(1)));
  CHECK(world.trigger({request}).error().code() == Code::kClosed);
}

TEST_CASE("hooks before the end all run, whatever one does", "[W18]") {
  Engine engine;
  World& world = engine.start();
  Names called;
  world.before_termination("one", [&](Deadline) -> Status { called.push_back("one"); return Error(Code::kFailed, "no"); },
                           std::chrono::seconds(1));
  world.before_termination("two", [&](Deadline) -> Status { throw std::runtime_error("no"); }, std::chrono::seconds(1));
  world.before_termination("three",
                           [&](Deadline deadline) -> Status {
                             CHECK(deadline.left() <= std::chrono::seconds(1));
                             called.push_back("three");
                             return {};
                           },
                           std::chrono::seconds(1));
  world.stop(Deadline::after(std::chrono::seconds(60)));
  world.stop(Deadline::after(std::chrono::seconds(60)));
  CHECK(called == Names{"one", "three"});
}

TEST_CASE("what cannot be executed is refused with upstream's words", "[E04][P14]") {
  Engine engine;
  Names seen;
  engine.add(listener("Listen", seen));
  World& world = engine.start();
  const std::string id = engine.run("Listen").id;
  CHECK(world.resume(id).error().message() == "cannot execute execution_plan_id:" + id + " it's already running");
  world.send(id, 2, {"end", {}});
  engine.settle(id);
  CHECK(world.resume(id).error().message() == "cannot execute execution_plan_id:" + id + " it's stopped");
  CHECK(world.resume("nobody").error().code() == Code::kNotFound);
  PlanRequest request;
  request.action_class = "Listen";
  DelayOptions frozen;
  frozen.is_frozen = true;
  const std::string scheduled = world.delay(request, frozen)->plan_id;
  CHECK(world.resume(scheduled).error().message() ==
        "execution_plan is not in pending or paused state, it's scheduled");
}

}  // namespace
}  // namespace dynflow::engine
