#include "shared/engine/middleware.h"

#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;

// Notes each phase before and after it passes on.
class Logging : public Middleware {
 public:
  Logging(std::string name, Names& log) : name_(std::move(name)), log_(log) {}
  void delay(Delaying& d, const Pass& pass) override { around("delay " + d.action_class, pass); }
  void plan(Planning& p, Json&, const Pass& pass) override { around("plan " + p.action_class(), pass); }
  void plan_phase(const WholePlan&, const Pass& pass) override { around("plan_phase", pass); }
  void run(Running& r, const Event* event, const PassEvent& pass) override {
    around("run " + r.action_class(), [&] { pass(event); });
  }
  void finalize(Finalizing& f, const Pass& pass) override { around("finalize " + f.action_class(), pass); }
  void finalize_phase(const WholePlan& p, const Pass& pass) override {
    around("finalize_phase " + std::to_string(p.plan.steps.size()), pass);
  }

 private:
  void around(const std::string& what, const Pass& pass) {
    log_.push_back(name_ + what);
    pass();
    log_.push_back(name_ + "/" + what);
  }
  const std::string name_;
  Names& log_;
};

Script no_op(std::string name) { return {.name = std::move(name), .run = [](Running&, const Event*) {}}; }

MiddlewareUse use(std::string name, Names before = {}, Names after = {}, Names replace = {}) {
  return {std::move(name), std::make_shared<Middleware>(), std::move(before), std::move(after), std::move(replace)};
}

TEST_CASE("middleware wraps every phase", "[middleware][M01]") {
  Engine engine;
  Names log;
  engine.options.middleware = {{"log", std::make_shared<Logging>("", log), {}, {}, {}}};
  engine.add({.name = "Child",
              .run = [&](Running&, const Event*) { log.push_back("running"); },
              .finalize = [&](Finalizing&) { log.push_back("finalizing"); }});
  engine.add({.name = "Root", .plan = [](Planning& p, Json) { p.plan_action("Child", {}), p.plan_action("Child", {}); }});
  engine.start();
  engine.world->delayed_args("p", "Root", {});
  CHECK(log == Names{"delay Root", "/delay Root"});
  log.clear();
  CHECK(shown(engine.run("Root")) == "stopped/success");
  CHECK(log == Names{"plan_phase", "plan Root", "plan Child", "/plan Child", "plan Child", "/plan Child", "/plan Root",
                     "/plan_phase", "run Child", "running", "/run Child", "run Child", "running", "/run Child",
                     "finalize_phase 7", "finalize Child", "finalizing", "/finalize Child", "finalize Child", "finalizing",
                     "/finalize Child", "/finalize_phase 7"});
}

Names order_of(const std::vector<MiddlewareUse>& of_world, std::vector<ActionClass> classes) {
  ActionRegistry registry;
  std::string last;
  for (ActionClass& each : classes) {
    each.make = [] { return std::make_unique<Action>(); };
    last = each.name;
    REQUIRE(registry.add(std::move(each)).ok());
  }
  auto stacks = MiddlewareStacks::make(of_world, registry);
  REQUIRE(stacks.ok());
  const MiddlewareStack* stack = stacks->of(registry.find(last));
  return stack ? stack->names() : Names();
}
ActionClass with(std::string name, std::string parent, std::vector<MiddlewareUse> uses, Names unused = {}) {
  ActionClass made;
  made.name = std::move(name);
  made.parent = std::move(parent);
  made.middleware = std::move(uses);
  made.unused_middleware = std::move(unused);
  return made;
}

TEST_CASE("the order of middleware is as ruled", "[middleware][M02]") {
  const auto base = [] { return with("Base", "", {use("a"), use("b")}); };
  CHECK(order_of({}, {with("Bare", "", {})}).empty());
  CHECK(order_of({use("w")}, {base(), with("Sub", "Base", {use("c")})}) == Names{"w", "a", "b", "c"});
  CHECK(order_of({}, {base(), with("Sub", "Base", {use("c", {"a"})})}) == Names{"c", "a", "b"});
  CHECK(order_of({}, {base(), with("Sub", "Base", {use("c", {"b"}, {"a"})})}) == Names{"a", "c", "b"});
  CHECK(order_of({}, {with("Base", "", {use("a", {}, {"b"}), use("b")})}) == Names{"b", "a"});
  CHECK(order_of({}, {base(), with("Sub", "Base", {use("c", {}, {}, {"a"})})}) == Names{"b", "c"});
  CHECK(order_of({}, {with("Base", "", {use("a", {"b"}), use("b")}), with("Sub", "Base", {use("c", {}, {}, {"a"})})}) ==
        Names{"c", "b"});
  CHECK(order_of({}, {with("Base", "", {use("a"), use("b", {}, {"a"})}), with("Sub", "Base", {use("c", {}, {}, {"a"})})}) ==
        Names{"c", "b"});
  CHECK(order_of({use("w")}, {base(), with("Sub", "Base", {}, {"a", "w"})}) == Names{"b"});
  CHECK(order_of({}, {base(), with("Sub", "Base", {}, {"a"}), with("Below", "Sub", {use("a")})}) == Names{"b", "a"});
  CHECK(order_of({}, {with("Base", "", {use("a", {"gone"}, {"away"}, {"lost"})})}) == Names{"a"});
}

TEST_CASE("rules that form a circle are refused", "[middleware][M02]") {
  ActionRegistry registry;
  CHECK(registry.add(with("Round", "", {use("a", {"b"}), use("b", {"a"})})).error().code() == Code::kInvalid);
  CHECK(registry.add(with("Swap", "", {use("a", {}, {}, {"b"}), use("b", {}, {}, {"a"}), use("c")})).error().code() ==
        Code::kInvalid);
  CHECK(registry.classes().empty());

  Engine engine;
  engine.add(with("Fine", "", {use("a", {"w"})}));
  WorldOptions options;
  options.store = &engine.store;
  options.registry = &engine.registry;
  options.scheduler = engine.scheduler.get();
  options.middleware = {use("w", {"a"})};
  CHECK(World(options).start().error().code() == Code::kInvalid);
}

class Changing final : public Middleware {
 public:
  void delay(Delaying& d, const Pass& pass) override { d.args["delayed"] = true, pass(); }
  void plan(Planning&, Json& args, const Pass& pass) override { args["planned"] = true, pass(); }
  void run(Running& r, const Event* event, const PassEvent& pass) override {
    const Event nudge{"from the middleware", {}};
    pass(event && event->name == "nudge" ? &nudge : event);
    r.output()["seen"] = Json(r.output()["v"]);
  }
};

TEST_CASE("middleware changes what goes in and sees what came out", "[middleware][M03]") {
  Engine engine;
  engine.options.middleware = {{"change", std::make_shared<Changing>(), {}, {}, {}}};
  engine.add({.name = "Work",
              .run =
                  [](Running& r, const Event* event) {
                    r.output()["v"] = event ? event->name : "start";
                    if (!event) r.suspend();
                  },
              .takes_events = true});
  engine.start();
  const Json args = engine.world->delayed_args("p", "Work", Json{{"x", 1}});
  const PlanRecord plan = engine.run("Work", args);
  CHECK(json::dump(input_of(plan)) == R"({"x":1,"delayed":true,"planned":true})");
  CHECK(json::dump(output_of(plan)) == R"({"v":"start","seen":"start"})");
  engine.world->send(plan.id, 2, {"nudge", {}});
  CHECK(json::dump(output_of(engine.settle(plan.id))) == R"({"v":"from the middleware","seen":"from the middleware"})");
}

class Masking final : public Middleware {
 public:
  void present(Presenting& shown, const Pass& pass) override {
    pass();
    if (shown.input().contains("password")) shown.input()["password"] = "***";
  }
};

TEST_CASE("a masking middleware changes what is shown and not what is stored", "[middleware][M04]") {
  Engine engine;
  engine.options.middleware = {{"mask", std::make_shared<Masking>(), {}, {}, {}}};
  ActionClass raw = to_class(no_op("Raw"));
  raw.is_presented_as_stored = true;
  engine.add(raw);
  engine.add(no_op("Gone"));
  for (const char* name : {"Raw", "Gone"}) {
    const PlanRecord plan = engine.run(name, Json{{"password", "hunter2"}});
    engine.store.plans().at(plan.id).actions[0].action_class = std::string(name) == "Gone" ? "Unknown" : name;
    const std::string document = status_document(*engine.world, plan.id).value();
    CHECK(document.find("hunter2") == std::string::npos);
    CHECK(document.find(R"("password":"***")") != std::string::npos);
    CHECK(plan.actions[0].input.find("hunter2") != std::string::npos);
  }
}

// Throws in, or keeps from, one phase.
class Blocking final : public Middleware {
 public:
  explicit Blocking(std::string phase, bool throws) : phase_(std::move(phase)), throws_(throws) {}
  void plan(Planning&, Json&, const Pass& pass) override { at("plan", pass); }
  void plan_phase(const WholePlan&, const Pass& pass) override { at("plan_phase", pass); }
  void run(Running&, const Event* event, const PassEvent& pass) override {
    at("run", [&] { pass(event); });
  }
  void finalize(Finalizing&, const Pass& pass) override { at("finalize", pass); }
  void finalize_phase(const WholePlan&, const Pass& pass) override { at("finalize_phase", pass); }
  void present(Presenting&, const Pass& pass) override { at("present", pass); }

 private:
  void at(const std::string& phase, const Pass& pass) {
    if (phase != phase_) return pass();
    if (throws_) throw 42;
  }
  const std::string phase_;
  const bool throws_;
};

TEST_CASE("middleware that throws or does not pass", "[middleware]") {
  struct Row {
    std::string phase;
    bool throws;
    std::string expected;
  };
  const std::vector<Row> table = {
      {"plan", true, "stopped/error"},          {"plan", false, "stopped/success"},
      {"plan_phase", true, "stopped/error"},    {"plan_phase", false, "stopped/error"},
      {"run", true, "paused/error"},            {"run", false, "stopped/success"},
      {"finalize", true, "paused/error"},       {"finalize", false, "stopped/success"},
      {"finalize_phase", true, "paused/error"}, {"finalize_phase", false, "stopped/pending"},
      {"present", true, "stopped/success"},     {"present", false, "stopped/success"},
  };
  for (const Row& row : table) {
    INFO(row.phase << " " << row.throws);
    Engine engine;
    engine.options.middleware = {{"block", std::make_shared<Blocking>(row.phase, row.throws), {}, {}, {}}};
    engine.add({.name = "Work", .run = [](Running&, const Event*) {}, .finalize = [](Finalizing&) {}});
    const PlanRecord plan = engine.run("Work", Json{{"x", 1}});
    CHECK(shown(plan) == row.expected);
    CHECK(status_document(*engine.world, plan.id).ok());
    if (plan.state == PlanState::kPaused) REQUIRE(engine.world->resume(plan.id).ok());
    if (plan.state == PlanState::kPaused) CHECK(shown(engine.settle(plan.id)) == row.expected);
    CHECK(engine.world->active_plans() == 0);
  }
}

}  // namespace
}  // namespace dynflow::engine
