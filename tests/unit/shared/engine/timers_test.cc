// Timers are rows: they outlive a crash, and end with their step.

#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;
using std::chrono::seconds;

// Plans "tick" in ten seconds when it is run first, ends with "end" or its second tick.
Script ticker(std::string name, Names& seen, bool rearms) {
  return {.name = std::move(name),
          .run =
              [&seen](Running& r, const Event* event) {
                seen.push_back(event ? event->name : "start");
                const std::int64_t ticks = json::get_int(r.output(), "ticks", 0) + (event && event->name == "tick" ? 1 : 0);
                r.output()["ticks"] = ticks;
                if (ticks == 2 || (event && event->name == "end")) return;
                r.suspend();
                if (!event || event->name == "tick") r.plan_event({"tick", Json{{"n", ticks}}}, seconds(10));
              },
          .takes_events = true,
          .rearms_timers = rearms};
}

TEST_CASE("an event for later is a row until it was handled", "[V01][E13]") {
  Engine engine;
  Names seen;
  engine.add(ticker("Tick", seen, false));
  const std::string id = engine.run("Tick").id;
  REQUIRE(engine.store.events().size() == 1);
  CHECK(engine.store.events().begin()->second.due_at == engine.clock.now() + seconds(10));
  CHECK(engine.scheduler->timers() == 1);
  engine.scheduler->advance(seconds(9));
  CHECK(seen == Names{"start"});
  engine.scheduler->advance(seconds(1));
  CHECK(seen == Names{"start", "tick"});
  CHECK(engine.store.events().size() == 1);
  engine.scheduler->advance(seconds(10));
  CHECK(shown(engine.settle(id)) == "stopped/success");
  CHECK(engine.store.events().empty());
  CHECK(engine.scheduler->timers() == 0);
}

TEST_CASE("a timer ends with its step: no row, no wake-up", "[V08]") {
  Engine engine;
  Names seen;
  engine.add(ticker("Tick", seen, true));
  const std::string id = engine.run("Tick").id;
  engine.world->send(id, 2, {"end", {}});
  CHECK(shown(engine.settle(id)) == "stopped/success");
  CHECK(engine.store.events().empty());
  CHECK(engine.scheduler->timers() == 0);
  engine.scheduler->advance(seconds(20));
  CHECK(seen == Names{"start", "end"});
}

TEST_CASE("timers are armed again after a crash for actions that count on it") {
  Engine engine;
  Names seen;
  engine.add(ticker("Tick", seen, true));
  const std::string id = engine.run("Tick").id;
  engine.scheduler->advance(seconds(4));
  engine.crash();
  seen.clear();
  engine.start();
  CHECK(shown(engine.settle(id)) == "running/pending");
  CHECK(seen.empty());
  engine.scheduler->advance(seconds(5));
  CHECK(seen.empty());
  engine.scheduler->advance(seconds(1));
  CHECK(seen == Names{"tick"});
  engine.crash();
  engine.scheduler->advance(seconds(60));
  engine.start();
  // Its time has passed meanwhile.
  CHECK(shown(engine.settle(id)) == "stopped/success");
  CHECK(seen == Names{"tick", "tick"});
  CHECK(engine.store.events().empty());
}

TEST_CASE("an event that waits is enough for such an action; without any it is run again") {
  Engine engine;
  Names seen;
  engine.add(ticker("Tick", seen, true));
  const std::string waiting = engine.run("Tick").id;
  const std::string lost = engine.run("Tick").id;
  engine.crash();
  persistence::WriteBatch batch;
  for (const auto& [id, event] : engine.store.events()) batch.add(persistence::WriteBatch::DeleteEvent{id});
  batch.add(persistence::WriteBatch::PutEvent{{"e", waiting, 2, "end", "null", engine.clock.now(), {}}});
  engine.store.submit(std::move(batch), persistence::Durability::kFull, [](Status) {});
  engine.scheduler->run_ready();
  seen.clear();
  engine.start();
  CHECK(shown(engine.settle(waiting)) == "stopped/success");
  CHECK(shown(engine.settle(lost)) == "running/pending");
  CHECK(std::count(seen.begin(), seen.end(), "end") == 1);
  CHECK(std::count(seen.begin(), seen.end(), "start") == 1);
  CHECK(engine.store.events().size() == 1);
}

TEST_CASE("other actions are run again with no event, and their old timers are gone") {
  Engine engine;
  Names seen;
  engine.add(ticker("Tick", seen, false));
  const std::string id = engine.run("Tick").id;
  engine.scheduler->advance(seconds(4));
  engine.crash();
  seen.clear();
  engine.start();
  engine.settle(id);
  CHECK(seen == Names{"start"});
  REQUIRE(engine.store.events().size() == 1);
  CHECK(engine.store.events().begin()->second.due_at == engine.clock.now() + seconds(10));
  CHECK(engine.scheduler->timers() == 1);
}

TEST_CASE("an event at once is a row too for actions that are not run again", "[V02]") {
  Engine engine;
  Names seen;
  engine.add({.name = "Now",
              .run =
                  [&](Running& r, const Event* event) {
                    seen.push_back(event ? event->name : "start");
                    if (event) return;
                    r.suspend();
                    r.plan_event({"now", {}}, Duration::zero());
                  },
              .takes_events = true,
              .rearms_timers = true});
  CHECK(shown(engine.run("Now")) == "stopped/success");
  CHECK(seen == Names{"start", "now"});
  CHECK(engine.store.events().empty());
}

}  // namespace
}  // namespace dynflow::engine
