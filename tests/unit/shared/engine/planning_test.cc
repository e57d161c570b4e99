// The plan phase: what becomes of classes, subscriptions, labels and queues.

#include "shared/engine/planner.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;

Script leaf(std::string name) {
  return {.name = std::move(name), .run = [](Running& r, const Event*) { r.output()["v"] = 1; }};
}
ActionClass child_of(std::string parent, std::string name) {
  ActionClass made = to_class(leaf(std::move(name)));
  made.parent = std::move(parent);
  return made;
}
Names names_of(const std::vector<const ActionClass*>& classes) {
  Names names;
  for (const ActionClass* each : classes) names.push_back(each->name);
  return names;
}
Names classes_in(const PlanRecord& plan) {
  Names names;
  for (const auto& action : plan.actions) names.push_back(action.action_class);
  return names;
}

TEST_CASE("classes know who is below them and who subscribes to them", "[registry][P17]") {
  ActionRegistry registry;
  REQUIRE(registry.add(to_class(leaf("Base"))).ok());
  REQUIRE(registry.add(child_of("Base", "Child")).ok());
  REQUIRE(registry.add(child_of("Child", "Grandchild")).ok());
  REQUIRE(registry.add(to_class(leaf("Other"))).ok());
  ActionClass early = to_class(leaf("Early"));
  early.subscribes_to = {"Later", "Base"};
  REQUIRE(registry.add(early).ok());
  ActionClass later = to_class(leaf("Later"));
  later.aliases = {"OldLater"};
  REQUIRE(registry.add(later).ok());
  REQUIRE(registry.add(child_of("Early", "EarlyChild")).ok());
  ActionClass by_alias = to_class(leaf("ByAlias"));
  by_alias.subscribes_to = {"OldLater", "Later"};
  REQUIRE(registry.add(by_alias).ok());

  CHECK(names_of(registry.all_children("Base")) == Names{"Child", "Grandchild"});
  CHECK(registry.all_children("Other").empty());
  CHECK(registry.all_children("Nobody").empty());
  CHECK(names_of(registry.lineage(*registry.find("Grandchild"))) == Names{"Grandchild", "Child", "Base"});
  CHECK(names_of(registry.subscribers_of(*registry.find("Base"))) == Names{"Early", "EarlyChild"});
  CHECK(names_of(registry.subscribers_of(*registry.find("Later"))) == Names{"Early", "EarlyChild", "ByAlias"});
  CHECK(registry.subscribers_of(*registry.find("Child")).empty());
  CHECK(registry.add(child_of("Nobody", "Orphan")).error().code() == Code::kNotFound);
  CHECK(registry.find("Orphan") == nullptr);
}

TEST_CASE("subscribers are planned with their trigger, beside it and with its arguments", "[planning][P04]") {
  Engine engine;
  Names args_seen;
  engine.add({.name = "Trigger",
              .plan = [](Planning& p, Json args) { p.plan_self(Json{{"mine", args["x"]}}); },
              .run = [](Running& r, const Event*) { r.output()["v"] = 1; }});
  engine.add(leaf("Second"));
  ActionClass one = to_class(leaf("One"));
  one.subscribes_to = {"Trigger"};
  engine.add(one);
  ActionClass several = to_class({.name = "Several",
                                  .plan =
                                      [&](Planning& p, Json args) {
                                        args_seen.push_back(json::dump(args));
                                        REQUIRE(p.trigger_input());
                                        CHECK(p.trigger_input()->size() == 1);
                                        p.plan_self(Json{{"own", true}});
                                      },
                                  .run = [](Running&, const Event*) {}});
  several.subscribes_to = {"Trigger", "Second"};
  engine.add(several);
  engine.add({.name = "Root", .plan = [](Planning& p, Json) {
                p.sequence([&] { p.plan_action("Trigger", {{"x", 7}}), p.plan_action("Second", {{"y", 8}}); });
              }});
  const PlanRecord plan = engine.run("Root");
  CHECK(shown(plan) == "stopped/success");
  CHECK(classes_in(plan) == Names{"Root", "Trigger", "One", "Several", "Second", "Several"});
  CHECK(plan.run_flow == R"(["S",["C",3,5,7],["C",9,11]])");
  CHECK(args_seen == Names{R"({"x":7})", R"({"y":8})"});
  CHECK(json::dump(input_of(plan, 3)) == R"({"mine":7})");  // the trigger's, by default
  CHECK(step_of(plan, 2).children == std::vector<int>{4, 6});
  CHECK(plan.actions[2].caller_action_id == 2);
}

TEST_CASE("flows of chains and of a merge", "[planning][P01][P02][P03][P05]") {
  Engine engine;
  engine.add(leaf("Leaf"));
  engine.add({.name = "Both", .run = [](Running&, const Event*) {}, .finalize = [](Finalizing&) {}});
  const auto use = [](const OutputReference& reference) { return Json{{"x", reference["v"].to_json()}}; };
  engine.add({.name = "Chains", .plan = [&](Planning& p, Json) {
                for (int i = 0; i < 2; ++i) p.plan_action("Leaf", use(p.plan_action("Leaf", {})));
              }});
  engine.add({.name = "Merge", .plan = [&](Planning& p, Json) {
                const auto ci = p.plan_action("Leaf", {});
                const auto review = p.plan_action("Leaf", {});
                const auto other = p.plan_action("Leaf", {});
                p.plan_action("Leaf", Json{{"ci", use(ci)}, {"reviews", Json::array({use(review), use(other)})}});
              }});
  engine.add({.name = "Explicit", .plan = [](Planning& p, Json) {
                p.sequence([&] {
                  p.concurrence([&] { p.plan_action("Leaf", {}), p.concurrence([&] { p.plan_action("Leaf", {}); }); });
                  p.sequence([&] { p.sequence([&] { p.plan_action("Leaf", {}); }); });
                });
              }});
  engine.add({.name = "Finals", .plan = [](Planning& p, Json) { p.plan_action("Both", {}), p.plan_action("Both", {}); }});
  CHECK(engine.run("Chains").run_flow == R"(["C",["S",3,5],["S",7,9]])");
  CHECK(engine.run("Merge").run_flow == R"(["S",["C",3,5,7],9])");
  CHECK(engine.run("Explicit").run_flow == R"(["S",["C",3,5],7])");
  const PlanRecord finals = engine.run("Finals");
  CHECK(finals.finalize_flow == R"(["S",4,7])");
  CHECK(engine.run("Chains").finalize_flow == R"(["S"])");
}

TEST_CASE("planning stops at the first child that fails", "[planning][P06][P07]") {
  Engine engine;
  engine.add(leaf("Leaf"));
  engine.add({.name = "Bad", .plan = [](Planning&, Json) { throw ActionError("ArgumentError", "no"); }});
  engine.add({.name = "Root", .plan = [](Planning& p, Json) {
                for (const char* name : {"Bad", "Leaf", "Leaf"}) p.plan_action(name, {});
              }});
  engine.start();
  PlanRequest request;
  request.action_class = "Root";
  const auto planned = engine.world->trigger({request});
  REQUIRE(planned.ok());
  REQUIRE(planned->front().error);
  CHECK(planned->front().error->exception_class == "ArgumentError");
  const PlanRecord plan = engine.settle(planned->front().plan_id);
  CHECK(shown(plan) == "stopped/error");
  CHECK(plan.steps.size() == 2);
  CHECK(engine.world->active_plans() == 0);
}

TEST_CASE("the call tree and the ids of steps are stored", "[planning][P08][P09][P10][P16]") {
  Engine engine;
  engine.add({.name = "Full", .run = [](Running&, const Event*) {}, .finalize = [](Finalizing&) {}});
  engine.add({.name = "Middle", .plan = [](Planning& p, Json) { p.plan_action("Full", {}), p.plan_action("Full", {}); }});
  engine.add({.name = "Root", .plan = [](Planning& p, Json) { p.plan_action("Full", {}), p.plan_action("Middle", {}); }});
  engine.start();
  PlanRequest request;
  request.plan_id = "chosen-by-the-caller";
  request.action_class = "Root";
  REQUIRE(engine.world->trigger({request}).ok());
  const PlanRecord plan = engine.store.plans().at("chosen-by-the-caller");
  CHECK(step_of(plan, 1).children == std::vector<int>{2, 5});
  CHECK(step_of(plan, 2).children.empty());
  CHECK(step_of(plan, 5).children == std::vector<int>{6, 9});
  const auto& full = plan.actions.at(1);
  CHECK(full.plan_step_id == 2);
  CHECK(full.run_step_id == 3);
  CHECK(full.finalize_step_id == 4);
  CHECK(plan.actions.at(0).run_step_id == 0);
  // Only an action that another plan called makes its plan a sub-plan.
  for (const auto& action : plan.actions) CHECK(action.caller_plan_id.empty());
}

TEST_CASE("a plan is labelled by its root action", "[planning][P11]") {
  Engine engine;
  Script named = leaf("Named");
  named.label = [](const Json& input) { return "Update of " + json::get_string(input, "host"); };
  engine.add(named);
  Script broken = leaf("Broken");
  broken.label = [](const Json&) -> std::string { throw std::runtime_error("no name"); };
  engine.add(broken);
  engine.add(leaf("Plain"));
  engine.add({.name = "Above", .plan = [](Planning& p, Json) { p.plan_action("Named", {{"host", "b"}}); }});
  CHECK(engine.run("Named", Json{{"host", "a\xff"}}).label == "Update of a\xEF\xBF\xBD");
  CHECK(engine.run("Plain").label == "Plain");
  CHECK(engine.run("Above").label == "Above");
  const PlanRecord failed = engine.run("Broken");
  CHECK(shown(failed) == "stopped/error");
  CHECK(failed.label == "Broken");
}

Json nested(int depth) {
  Json value = 1;
  for (int i = 0; i < depth; ++i) value = Json::array({std::move(value)});
  return value;
}

TEST_CASE("input that could not be read again fails the planning", "[planning][P12]") {
  Engine engine;
  engine.add(leaf("Leaf"));
  engine.add({.name = "Array", .plan = [](Planning& p, Json) { p.input() = Json::array(); }});
  const PlanRecord deep = engine.run("Leaf", Json{{"x", nested(2000)}});
  CHECK(shown(deep) == "stopped/error");
  CHECK(step_of(deep, 1).error->exception_class == "TypeError");
  CHECK(shown(engine.run("Array")) == "stopped/error");
  CHECK(shown(engine.run("Leaf", Json{{"x", nested(80)}})) == "stopped/success");
  CHECK(status_document(*engine.world, deep.id).ok());
}

TEST_CASE("a plan that would hold too much fails in the step that asks for it", "[planning]") {
  Engine engine;
  engine.add(leaf("Leaf"));
  engine.add({.name = "Wide", .plan = [](Planning& p, Json args) {
                for (int i = 0; i < json::get_int(args, "children", 0); ++i) p.plan_action("Leaf", Json{{"x", "12345678"}});
              }});
  World& world = engine.start();
  const auto make = [&](int children, const PlanLimits& limits) {
    PlanRequest request;
    request.plan_id = "wide";
    request.action_class = "Wide";
    request.args = Json{{"children", children}};
    return make_plan(world, engine.registry, request, limits);
  };
  PlanLimits limits;
  limits.steps = 7;  // of the root, and two of each child
  CHECK_FALSE(make(3, limits).error);
  const NewPlan wide = make(4, limits);
  REQUIRE(wide.error);
  CHECK(wide.error->message == "an execution plan has at most 7 steps");
  CHECK(wide.record.state == PlanState::kStopped);
  CHECK(wide.record.steps.size() == 7);

  limits = {};
  limits.input_bytes = 40;
  CHECK_FALSE(make(2, limits).error);
  const NewPlan heavy = make(3, limits);
  REQUIRE(heavy.error);
  CHECK_THAT(heavy.error->message, Catch::Contains("input of Leaf makes the inputs of the plan larger than 40 bytes"));
  CHECK(step_of(heavy.record, 1).state == StepState::kError);
}

TEST_CASE("whatever a plan phase throws is an error of the plan", "[planning][P07]") {
  Engine engine;
  engine.add({.name = "Number", .plan = [](Planning&, Json) { throw 42; }});
  engine.add({.name = "Memory", .plan = [](Planning&, Json) { throw std::bad_alloc(); }});
  engine.add({.name = "Bytes", .plan = [](Planning&, Json) { throw ActionError("E\xff", "a\xfe"); }});
  engine.add({.name = "Above", .plan = [](Planning& p, Json) { p.plan_action("Number", {}); }});
  CHECK(step_of(engine.run("Number"), 1).error->exception_class == "UnknownError");
  CHECK(step_of(engine.run("Memory"), 1).error->message == "std::bad_alloc");
  const PlanRecord bytes = engine.run("Bytes");
  CHECK(step_of(bytes, 1).error->exception_class == "E\xEF\xBF\xBD");
  CHECK(step_of(bytes, 1).error->message == "a\xEF\xBF\xBD");
  const PlanRecord above = engine.run("Above");
  CHECK(shown(above) == "stopped/error");
  for (const StepRecord& step : above.steps) CHECK(step.state == StepState::kError);
}

TEST_CASE("a reference that nothing resolves stops the plan with an error", "[planning][Q9]") {
  Engine engine;
  engine.add(leaf("Leaf"));
  const OutputReference elsewhere{"another plan", 3, 2, {}};
  const PlanRecord dangling = engine.run("Leaf", Json{{"x", elsewhere.to_json()}});
  CHECK(shown(dangling) == "stopped/error");
  CHECK(step_of(dangling, 1).error->message == "Some dependencies were not resolved: 2 requires 0");
}

TEST_CASE("plans without run steps", "[execution][P14][P15][E17]") {
  Engine engine;
  int finalized = 0;
  engine.add(Script{.name = "Nothing"});
  engine.add({.name = "Last", .finalize = [&](Finalizing&) { ++finalized; }});
  const PlanRecord nothing = engine.run("Nothing");
  CHECK(shown(nothing) == "stopped/success");
  CHECK(history_of(nothing) == Names{"start execution", "finish execution"});
  CHECK(engine.world->resume(nothing.id).error().code() == Code::kConflict);
  CHECK(shown(engine.run("Last")) == "stopped/success");
  CHECK(finalized == 1);
}

TEST_CASE("a stored class that is gone keeps its name and fails as a step", "[execution][P13][Q17]") {
  Engine engine;
  engine.add(leaf("Leaf"));
  ActionClass hooked = to_class(leaf("Hooked"));
  int calls = 0;
  hooked.hooks = {{"count", {HookOn::kPaused}, [&](const HookContext&) { ++calls; }}};
  engine.add(hooked);
  engine.add({.name = "Root", .plan = [](Planning& p, Json) { p.plan_action("Leaf", {}), p.plan_action("Hooked", {}); }});
  const std::string id = engine.trigger("Root");
  engine.crash();
  engine.store.plans().at(id).actions[1].action_class = "Gone";
  engine.start();
  const PlanRecord plan = engine.settle(id);
  CHECK(shown(plan) == "paused/error");
  CHECK(step_of(plan, 3).error->message == "The action class 'Gone' is not known here");
  CHECK(status_document(*engine.world, id)->find(R"("class":"Gone")") != std::string::npos);
  CHECK(present(*engine.world, plan, plan.actions[1]).input.is_object());
  CHECK(calls == 1);
}

TEST_CASE("actions show themselves, and what they make of those below", "[presentation][P18][V07]") {
  Engine engine;
  Script child = leaf("Child");
  child.present = [](Presenting& shown) { shown.output()["twice"] = shown.output()["v"].get<int>() * 2; };
  engine.add(child);
  engine.add({.name = "Root",
              .plan = [](Planning& p, Json) { p.plan_action("Child", {}), p.plan_action("Child", {}); },
              .present =
                  [](Presenting& shown) {
                    int sum = 0;
                    for (const Presented& below : shown.planned_actions()) sum += below.output["twice"].get<int>();
                    shown.output()["sum"] = sum;
                  }});
  Script waiting{.name = "Waiting", .run = [](Running& r, const Event*) { r.output()["left"] = 3, r.suspend(); }};
  waiting.humanized_state = [](const Json& output) { return "waiting for " + json::dump(output["left"]); };
  engine.add(waiting);
  Script broken = leaf("Broken");
  broken.present = [](Presenting&) { throw 42; };
  engine.add(broken);

  const PlanRecord plan = engine.run("Root");
  for (const auto& action : plan.actions) {
    const Presented shown = present(*engine.world, plan, action);
    CHECK(shown.action == &action);
    CHECK(json::dump(shown.output) == (action.id == 1 ? R"({"sum":4})" : R"({"v":1,"twice":2})"));
  }
  CHECK(plan.actions[1].output == R"({"v":1})");
  const PlanRecord suspended = engine.run("Waiting");
  CHECK(humanized_state(*engine.world, suspended, step_of(suspended, 2)) == "waiting for 3");
  CHECK(humanized_state(*engine.world, plan, step_of(plan, 3)) == "success");
  const PlanRecord unshown = engine.run("Broken", Json{{"secret", 1}});
  CHECK(status_document(*engine.world, unshown.id)->find("secret") == std::string::npos);
}

}  // namespace
}  // namespace dynflow::engine
