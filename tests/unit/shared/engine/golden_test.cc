// Documents recorded from Dynflow 2.0.0 (golden/), made again by equivalent actions. Ids, times and durations differ between two
// runs; everything else, the order of keys included, must not.

#include <fstream>
#include <sstream>

#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

Json golden(const std::string& name) {
  std::ifstream file(std::string(ENGINE_GOLDEN_DIR) + "/" + name + ".json");
  REQUIRE(file.good());
  std::stringstream text;
  text << file.rdbuf();
  return json::parse(text.str()).value();
}

// Replaces what differs between runs by what kind of value it is.
Json normalised(const Json& value, const std::string& key = {}) {
  if (value.is_object() || value.is_array()) {
    Json copy = value.is_object() ? Json::object() : Json::array();
    for (const auto& [name, part] : value.items()) {
      if (value.is_object()) {
        copy[name] = normalised(part, name);
      } else if (!part.is_object() || json::get_string(part, "name") != "cancel requested") {  // an entry of ours
        copy.push_back(normalised(part, key));
      }
    }
    return copy;
  }
  const bool is_id = key == "id" || key == "execution_plan_id" || key == "execution_plan_uuid" || key == "world_id" ||
                     key == "caller_execution_plan_id" || key == "backtrace";
  const bool is_time = key == "started_at" || key == "ended_at" || key == "time";
  const bool is_duration = key == "execution_time" || key == "real_time";
  if (is_id && value.is_string()) return "id";
  if (is_time && !value.is_null()) return value.is_string() ? "time" : "epoch";
  if (is_duration && value.is_number_float()) return value.get<double>() > 0 ? "some time" : "no time";
  if (key.rfind("progress", 0) == 0 && value.is_number()) return value.get<double>();
  return value;
}

// Step#to_hash of Dynflow, from our rows.
Json steps_document(const PlanRecord& plan) {
  Json steps = Json::array();
  for (const StepRecord& step : plan.steps) {
    Json json = Json::object();
    json["execution_plan_uuid"] = plan.id;
    json["id"] = step.id;
    json["state"] = persistence::to_string(step.state);
    json["class"] = "Dynflow::ExecutionPlan::Steps::" + std::string(persistence::to_string(step.phase)) + "Step";
    json["action_class"] = step.action_class;
    json["action_id"] = step.action_id;
    json["error"] = nullptr;
    if (step.error) {
      json["error"] = Json::object();
      json["error"]["class"] = "Dynflow::ExecutionPlan::Steps::Error";
      json["error"]["exception_class"] = step.error->exception_class;
      json["error"]["message"] = step.error->message;
      json["error"]["backtrace"] = Json::array({"..."});
    }
    json["started_at"] = step.started_at ? Json(dynflow_time(*step.started_at)) : Json();
    json["ended_at"] = step.ended_at ? Json(dynflow_time(*step.ended_at)) : Json();
    json["execution_time"] = step.execution_time;
    json["real_time"] = step.real_time;
    json["progress_done"] = step.progress_done;
    json["progress_weight"] = step.progress_weight;
    json["queue"] = step.queue.empty() ? Json() : Json(step.queue);
    if (step.phase == StepPhase::kPlan) json["children"] = step.children;
    steps.push_back(std::move(json));
  }
  return steps;
}

class Golden : public Engine {
 public:
  Golden() {
    const auto pass = [this] { clock.advance(std::chrono::milliseconds(2)); };
    const auto boom = [pass](Running&, const Event*) {
      pass();
      throw ActionError("ArgumentError", "boom");
    };
    add({.name = "GoldenProducer",
         .plan = [pass](Planning& p, Json args) { pass(), p.plan_self(args); },
         .run =
             [pass](Running& r, const Event*) {
               pass();
               r.output()["value"] = r.input()["n"].get<int>() * 2;
             }});
    add({.name = "GoldenConsumer",
         .plan = [pass](Planning& p, Json args) { pass(), p.plan_self(args); },
         .run =
             [pass](Running& r, const Event*) {
               pass();
               r.output()["got"] = Json(r.input()["v"]);
             },
         .finalize = [pass](Finalizing&) { pass(); }});
    add({.name = "GoldenTree",
         .plan =
             [pass](Planning& p, Json args) {
               pass();
               p.sequence([&] {
                 const auto producer = p.plan_action("GoldenProducer", Json{{"n", 21}});
                 p.concurrence([&] {
                   p.plan_action("GoldenConsumer", Json{{"v", producer["value"].to_json()}});
                   p.plan_action("GoldenConsumer", Json{{"v", producer.to_json()}});
                 });
               });
               p.plan_self(args);
             },
         .run = [pass](Running&, const Event*) { pass(); },
         .finalize = [pass](Finalizing&) { pass(); }});
    for (const auto& [name, strategy] : {std::pair{"GoldenFail", RescueStrategy::kPause},
                                         std::pair{"GoldenSkip", RescueStrategy::kSkip},
                                         std::pair{"GoldenStop", RescueStrategy::kFail}}) {
      add({.name = name,
           .plan = [pass](Planning& p, Json args) { pass(), p.plan_self(args); },
           .run = boom,
           .strategy = strategy});
    }
    add({.name = "GoldenPlanFail", .plan = [pass](Planning&, Json) {
           pass();
           throw ActionError("RuntimeError", "plan boom");
         }});
    add({.name = "GoldenSuspend",
         .plan = [pass](Planning& p, Json args) { pass(), p.plan_self(args); },
         .run =
             [pass](Running& r, const Event* event) {
               pass();
               r.output()["phase"] = event ? "cancelled" : "waiting";
               if (!event) r.suspend();
             },
         .takes_events = true,
         .is_cancellable = true});
    add({.name = "GoldenParent",
         .plan = [pass](Planning& p, Json args) { pass(), p.plan_self(args); },
         .run =
             [pass](Running& r, const Event* event) {
               pass();
               if (!event) {
                 r.suspend();
                 return;
               }
               r.output() = Json{{"total_count", 2}, {"failed_count", 0}, {"pending_count", 0}, {"success_count", 2}};
             },
         .takes_events = true});
    start();
  }

  void check(const std::string& name, const std::string& plan_id) {
    INFO(name);
    const auto document = status_document(*world, plan_id);
    REQUIRE(document.ok());
    CHECK(json::dump(normalised(*json::parse(*document))) == json::dump(normalised(golden(name + ".status"))));
    const auto plan = world->find_plan(plan_id);
    REQUIRE(plan.ok());
    CHECK(json::dump(normalised(steps_document(*plan))) == json::dump(normalised(golden(name + ".steps"))));
  }
  std::string ran(const std::string& name, Json args = Json::object()) { return run(name, std::move(args)).id; }
};

TEST_CASE("a plan with a tree of actions", "[golden]") {
  Golden engine;
  const std::string id = engine.ran("GoldenTree", Json{{"flag", true}});
  engine.check("tree-success", id);

  // As it was when it was planned.
  Golden before;
  for (const auto& change : engine.store.committed().front().changes()) {
    if (const auto* insert = std::get_if<persistence::WriteBatch::InsertPlan>(&change)) {
      before.store.plans()[id] = insert->plan;
    }
  }
  before.check("tree-planned", id);
}

TEST_CASE("plans that fail", "[golden]") {
  Golden engine;
  engine.check("paused-error", engine.ran("GoldenFail"));
  engine.check("skipped-warning", engine.ran("GoldenSkip"));
  engine.check("rescue-fail-error", engine.ran("GoldenStop"));
  engine.check("plan-failed", engine.ran("GoldenPlanFail"));
}

TEST_CASE("a suspended plan that is cancelled", "[golden]") {
  Golden engine;
  const std::string id = engine.ran("GoldenSuspend");
  engine.check("suspended", id);
  engine.clock.advance(std::chrono::milliseconds(500));
  const auto cancelled = engine.world->cancel(id);
  REQUIRE(cancelled.ok());
  CHECK(*cancelled == 1);
  engine.settle(id);
  engine.check("cancelled-cleanly", id);
}

TEST_CASE("a plan and its sub-plan", "[golden]") {
  Golden engine;
  const std::string parent = engine.ran("GoldenParent");
  PlanRequest child;
  child.action_class = "GoldenProducer";
  child.args = Json{{"n", 0}};
  child.caller_plan_id = parent;
  child.caller_action_id = 1;
  const auto planned = engine.world->trigger({child});
  REQUIRE(planned.ok());
  engine.settle(planned->front().plan_id);
  engine.check("child", planned->front().plan_id);
  engine.world->send(parent, 2, {"finished", Json()});
  engine.settle(parent);
  engine.check("parent", parent);
}

TEST_CASE("plans that were never planned", "[golden]") {
  Golden engine;
  PlanRecord plan;
  plan.id = "scheduled";
  plan.state = PlanState::kScheduled;
  plan.root_plan_step_id = 1;
  plan.history.push_back({1795331216, "delay", "w"});
  plan.steps.resize(1);
  plan.steps[0].id = plan.steps[0].action_id = 1;
  plan.steps[0].action_class = "GoldenProducer";
  plan.steps[0].progress_weight = 0;
  plan.actions.resize(1);
  plan.actions[0].id = plan.actions[0].plan_step_id = 1;
  plan.actions[0].action_class = "GoldenProducer";
  engine.store.plans()[plan.id] = plan;
  engine.check("scheduled", plan.id);

  plan.state = PlanState::kStopped;
  plan.ended_at = engine.clock.now();
  plan.history.push_back({1795331216, "Delayed task cancelled", "w"});
  plan.steps[0].state = StepState::kCancelled;
  engine.store.plans()[plan.id] = plan;
  engine.check("scheduled-cancelled", plan.id);
}

TEST_CASE("times and numbers are written as Ruby writes them", "[golden]") {
  Golden engine;
  PlanRecord plan;
  plan.id = "numbers";
  plan.state = PlanState::kStopped;
  plan.started_at = from_unix_seconds(1795331216.1789);
  plan.execution_time = 100;
  plan.real_time = 0.5;
  engine.store.plans()[plan.id] = plan;
  CHECK(status_document(*engine.world, "numbers").value() ==
        R"({"id":"numbers","class":"Dynflow::ExecutionPlan","label":null,"state":"stopped","result":"success",)"
        R"("root_plan_step_id":null,"run_flow":["C"],"finalize_flow":["S"],"step_ids":[],)"
        R"("started_at":"2026-11-22 07:06:56.178","ended_at":null,"execution_time":100.0,"real_time":0.5,)"
        R"("execution_history":[],"actions":[]})");
}

}  // namespace
}  // namespace dynflow::engine
