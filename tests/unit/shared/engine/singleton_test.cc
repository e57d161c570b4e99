#include "shared/engine/singleton.h"

#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

ActionClass singleton(Script script) {
  ActionClass made = to_class(std::move(script));
  made.is_singleton = true;
  return made;
}
// Suspends; "unlock" gives the lock back, "fail" fails, anything else ends it.
Script listener(std::string name) {
  return {.name = std::move(name),
          .run =
              [](Running& r, const Event* event) {
                if (event && event->name == "fail") throw std::runtime_error("told to");
                if (event && event->name == "unlock") singleton_unlock(r);
                if (!event || event->name == "unlock") r.suspend();
              },
          .takes_events = true};
}
bool is_locked(Engine& engine, const std::string& name) { return is_singleton_locked(engine.store, name).value(); }

TEST_CASE("a singleton's plan holds its lock from planning to its end", "[singleton][G01]") {
  Engine engine;
  engine.add(singleton(Script{.name = "Nothing"}));
  engine.add(singleton({.name = "Run", .run = [](Running&, const Event*) {}}));
  engine.add(singleton({.name = "Both", .run = [](Running&, const Event*) {}, .finalize = [](Finalizing&) {}}));
  for (const char* name : {"Nothing", "Run", "Both"}) {
    const std::string id = engine.trigger(name);
    CHECK(engine.store.locks().size() == 1);
    CHECK(is_locked(engine, name));
    CHECK(shown(engine.settle(id)) == "stopped/success");
    CHECK(engine.store.locks().empty());
    CHECK_FALSE(is_locked(engine, name));
  }
}

TEST_CASE("the lock is kept while suspended and gone while paused", "[singleton][G02]") {
  Engine engine;
  engine.add(singleton(listener("Listen")));
  const std::string id = engine.run("Listen").id;
  CHECK(is_locked(engine, "Listen"));
  engine.world->send(id, 2, {"fail", {}});
  CHECK(shown(engine.settle(id)) == "paused/error");
  CHECK_FALSE(is_locked(engine, "Listen"));
  REQUIRE(engine.world->resume(id).ok());
  CHECK(shown(engine.settle(id)) == "running/pending");
  CHECK(is_locked(engine, "Listen"));  // taken again
}

TEST_CASE("a second plan of a singleton is not planned", "[singleton][G03]") {
  Engine engine;
  engine.add(singleton(listener("Listen")));
  ActionClass child = to_class(listener("Child"));
  child.parent = "Listen";
  engine.add(child);
  const std::string first = engine.run("Listen").id;
  const PlanRecord second = engine.run("Listen");
  CHECK(shown(second) == "stopped/error");
  CHECK(step_of(second, 1).error->message == "Action Listen is already active");
  CHECK(is_locked(engine, "Listen"));  // still the first one's
  // A class below has a lock of its own.
  CHECK(shown(engine.run("Child")) == "running/pending");
  CHECK(shown(engine.run("Child")) == "stopped/error");
  engine.world->send(first, 2, {"end", {}});
  engine.settle(first);
  CHECK(shown(engine.run("Listen")) == "running/pending");
}

TEST_CASE("who lost the lock fails, who holds it goes on", "[singleton][G04][G05]") {
  Engine engine;
  engine.add(singleton(listener("Listen")));
  const std::string first = engine.run("Listen").id;
  engine.world->send(first, 2, {"unlock", {}});
  engine.settle(first);
  CHECK_FALSE(is_locked(engine, "Listen"));
  const std::string second = engine.run("Listen").id;
  REQUIRE(is_locked(engine, "Listen"));
  engine.world->send(first, 2, {"unlock", {}});
  const PlanRecord lost = engine.settle(first);
  CHECK(shown(lost) == "paused/error");
  CHECK(step_of(lost, 2).error->message == "Action Listen is already active");
  CHECK(is_locked(engine, "Listen"));  // what another one holds stays
  engine.world->send(second, 2, {"end", {}});
  CHECK(shown(engine.settle(second)) == "stopped/success");
  CHECK(engine.store.locks().empty());
}

TEST_CASE("a launch that fails leaves no lock", "[singleton]") {
  Engine engine;
  engine.add(singleton(listener("Listen")));
  engine.add(singleton({.name = "Bad", .plan = [](Planning&, Json) { throw std::runtime_error("no"); }}));
  engine.start();
  PlanRequest request;
  request.action_class = "Listen";
  engine.store.fail_next(1);
  CHECK_FALSE(engine.world->trigger({request}).ok());
  engine.scheduler->run_ready();
  CHECK(engine.store.locks().empty());
  CHECK(shown(engine.run("Bad")) == "stopped/error");
  CHECK(engine.store.locks().empty());
}

}  // namespace
}  // namespace dynflow::engine
