#include "shared/engine/hooks.h"

#include <condition_variable>
#include <mutex>

#include "shared/persistence/sqlite/sqlite_store.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;

ActionClass hooked(Script script, std::vector<Hook> hooks) {
  ActionClass made = to_class(std::move(script));
  made.hooks = std::move(hooks);
  return made;
}
Script no_op(std::string name) { return {.name = std::move(name), .run = [](Running&, const Event*) {}}; }
Script failing(std::string name, RescueStrategy strategy) {
  return {.name = std::move(name), .run = [](Running&, const Event*) { throw std::runtime_error("boom"); }, .strategy = strategy};
}
// Notes what it is called for.
std::function<void(const HookContext&)> note(Names& log) {
  return [&log](const HookContext& context) { log.push_back(std::string(to_string(context.on))); };
}
const std::vector<HookOn> kEverything = {HookOn::kPending, HookOn::kScheduled, HookOn::kPlanning, HookOn::kPlanned,
                                         HookOn::kRunning, HookOn::kPaused,    HookOn::kStopped,  HookOn::kSuccess,
                                         HookOn::kFailure};

TEST_CASE("hooks hear of each state once, in order", "[hooks][K01][K02]") {
  struct Row {
    Script script;
    bool auto_rescue;
    std::vector<HookOn> on;
    Names expected;
  };
  const auto fail_planning = [](Planning&, Json) { throw std::runtime_error("no"); };
  const std::vector<Row> table = {
      {no_op("A"), true, {}, {"pending", "planning", "planned", "running", "stopped"}},
      {no_op("A"), true, kEverything, {"pending", "planning", "planned", "running", "stopped", "success"}},
      {failing("A", RescueStrategy::kSkip), true, kEverything,
       {"pending", "planning", "planned", "running", "stopped", "failure"}},
      {failing("A", RescueStrategy::kPause), true, kEverything, {"pending", "planning", "planned", "running", "paused"}},
      {failing("A", RescueStrategy::kSkip), false, {HookOn::kPaused, HookOn::kFailure}, {"paused"}},
      {failing("A", RescueStrategy::kFail), true, {HookOn::kPaused, HookOn::kFailure}, {"failure"}},
      {{.name = "A", .plan = fail_planning}, true, kEverything, {"pending", "planning", "stopped", "failure"}},
      {no_op("A"), true, {HookOn::kSuccess}, {"success"}},
      {no_op("A"), true, {HookOn::kPending}, {"pending"}},
  };
  for (const Row& row : table) {
    Engine engine;
    engine.auto_rescue = row.auto_rescue;
    Names log;
    engine.add(hooked(row.script, {{"note", row.on, note(log)}}));
    engine.run("A");
    CHECK(log == row.expected);
  }
}

TEST_CASE("a hook is called when its state is durable", "[hooks]") {
  Engine engine;
  Names states;
  engine.add(hooked(no_op("A"), {{"look", {}, [&](const HookContext& context) {
                                    states.push_back(std::string(to_string(engine.store.plans().at(context.plan.id).state)) +
                                                     "/" + std::string(to_string(context.plan.state)));
                                  }}}));
  engine.store.fail_next(0);
  const std::string id = engine.trigger("A");
  engine.store.fail_next(5);
  engine.settle(id);
  for (const std::string& state : states) CHECK(state.find("running") == std::string::npos);
  engine.scheduler->run_to_the_end();
  REQUIRE(states.size() == 5);
  CHECK(states.back() == "stopped/stopped");
}

TEST_CASE("hooks are inherited, replaced and removed; all actions of a plan have theirs", "[hooks][K03]") {
  Engine engine;
  Names log;
  const auto say = [&log](std::string text) {
    return [&log, text](const HookContext& context) {
      log.push_back(text + (context.is_root_action() ? " of the root" : "") + " " + json::dump(context.input));
    };
  };
  engine.add(hooked(no_op("Base"), {{"first", {HookOn::kStopped}, say("first")}, {"second", {HookOn::kStopped}, say("second")}}));
  ActionClass heir = to_class(no_op("Heir"));
  heir.parent = "Base";
  engine.add(heir);
  ActionClass other = hooked(no_op("Other"), {{"second", {HookOn::kStopped}, say("own")}});
  other.parent = "Heir";
  other.removed_hooks = {{"first", {}}};
  engine.add(other);
  ActionClass partly = to_class(no_op("Partly"));
  partly.parent = "Base";
  partly.removed_hooks = {{"first", {HookOn::kStopped}}, {"second", {HookOn::kPaused}}};
  engine.add(partly);
  ActionClass root = to_class({.name = "Root", .plan = [](Planning& p, Json args) {
                                 p.plan_self(args);
                                 p.plan_action("Heir", {}), p.plan_action("Other", {}), p.plan_action("Partly", {});
                               }});
  root.parent = "Base";
  engine.add(root);
  engine.run("Root", Json{{"x", 1}});
  CHECK(log == Names{R"(first of the root {"x":1})", R"(second of the root {"x":1})", "first {}", "second {}", "own {}", "second {}"});
}

TEST_CASE("a hook that throws changes nothing", "[hooks][K03]") {
  Engine engine;
  Names log;
  engine.add(hooked(no_op("A"), {{"number", {}, [](const HookContext&) { throw 42; }},
                                 {"error", {}, [](const HookContext&) { throw std::runtime_error("no"); }},
                                 {"note", {HookOn::kStopped}, note(log)}}));
  CHECK(shown(engine.run("A")) == "stopped/success");
  CHECK(log == Names{"stopped"});
}

class HookMiddleware final : public Middleware {
 public:
  void hook(const HookContext&, const Pass& pass) override {
    if (++calls_ == 1) pass();
  }

 private:
  int calls_ = 0;
};

TEST_CASE("middleware stands around hooks", "[hooks][middleware]") {
  Engine engine;
  engine.options.middleware = {{"once", std::make_shared<HookMiddleware>(), {}, {}, {}}};
  Names log;
  engine.add(hooked(no_op("A"), {{"note", {}, note(log)}}));
  engine.run("A");
  CHECK(log == Names{"pending"});
}

TEST_CASE("a hook may start other plans", "[hooks]") {
  Engine engine;
  engine.add(no_op("Next"));
  std::string next;
  engine.add(hooked(no_op("A"), {{"go on", {HookOn::kSuccess}, [&](const HookContext& context) {
                                    PlanRequest request;
                                    request.action_class = "Next";
                                    const auto planned = context.world.trigger({request});
                                    if (planned.ok()) next = planned->front().plan_id;
                                  }}}));
  engine.run("A");
  REQUIRE_FALSE(next.empty());
  CHECK(shown(engine.settle(next)) == "stopped/success");
}

TEST_CASE("a hook that does not return delays nobody else", "[hooks][Q12]") {
  auto store = std::move(*persistence::open_sqlite_store({}));
  REQUIRE(store->start().ok());
  const auto scheduler = make_thread_scheduler(2);
  std::mutex mutex;
  std::condition_variable changed;
  bool is_inside = false;
  bool may_return = false;
  ActionRegistry registry;
  REQUIRE(registry.add(hooked(no_op("Slow"), {{"wait", {HookOn::kRunning}, [&](const HookContext&) {
                                                 std::unique_lock lock(mutex);
                                                 is_inside = true;
                                                 changed.notify_all();
                                                 changed.wait(lock, [&] { return may_return; });
                                               }}})).ok());
  REQUIRE(registry.add(to_class(no_op("Quick"))).ok());
  WorldOptions options;
  options.store = store.get();
  options.registry = &registry;
  options.scheduler = scheduler.get();
  auto world = std::make_unique<World>(options);
  REQUIRE(world->start().ok());
  PlanRequest slow;
  slow.action_class = "Slow";
  REQUIRE(world->trigger({slow, slow, slow}).ok());
  {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return is_inside; }));
  }
  PlanRequest quick;
  quick.action_class = "Quick";
  for (int i = 0; i < 20; ++i) REQUIRE(world->trigger({quick, slow}).ok());
  // All of them end, those with slow hooks too, while one hook still blocks.
  const Deadline deadline = Deadline::after(std::chrono::seconds(30));
  while (world->active_plans() > 0 && !deadline.has_passed()) std::this_thread::yield();
  CHECK(world->active_plans() == 0);
  CHECK(store->count_plans(PlanState::kStopped).value() == 43);
  {
    const std::lock_guard lock(mutex);
    may_return = true;
  }
  changed.notify_all();
  world.reset();
  scheduler->stop();
  store->stop();
}

}  // namespace
}  // namespace dynflow::engine
