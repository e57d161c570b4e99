#include "shared/callback/callback_action.h"

#include <mutex>

#include "shared/engine/status_document.h"
#include "shared/persistence/store_numbers.h"
#include "tests/support/engine/live_world.h"

using namespace dynflow;
using namespace dynflow::callback;
using test::parsed;

namespace {

// Test::Work and Test::Boom end with a callback, as Foreman's tasks do.
struct Fixture : test::LiveWorld {
  Fixture() {
    REQUIRE(register_callback_action(registry).ok());
    observers.push_back(&observer);
    const auto plan = [](engine::Planning& planning, Json args) {
      Json callback = args["callback"];
      args.erase("callback");
      planning.sequence([&] {
        const auto output = planning.plan_self(std::move(args));
        planning.plan_action(kCallbackAction, Json{{"callback", callback}, {"data", output.to_json()}});
      });
    };
    add("Test::Work", [](engine::Running& running, const engine::Event*) { running.output()["exit_status"] = 0; }, plan);
    add("Test::Boom",
        [](engine::Running& running, const engine::Event*) {
          running.output()["result"] = Json::array();
          throw engine::ActionError("RuntimeError", "boom");
        },
        plan);
  }
  ~Fixture() { end(); }

  std::string trigger(std::string action_class) {
    engine::PlanRequest request;
    request.action_class = std::move(action_class);
    request.args = Json{{"callback", {{"task_id", "t1"}, {"step_id", 3}}}};
    request.request_id = "request-1";
    auto planned = world().trigger({std::move(request)});
    REQUIRE(planned.ok());
    return planned->front().plan_id;
  }
  persistence::OutboxRecord only_entry() {
    auto entries = store->load_due_outbox(system_clock().now() + std::chrono::hours(1), 10, {});
    REQUIRE(entries.ok());
    REQUIRE(entries->size() == 1);
    return entries->front();
  }

  CallbackObserver observer{system_clock()};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a finished task has its callback in the outbox, and upstream's input left") {
  const auto plan = settled(trigger("Test::Work"));
  CHECK(plan.result == persistence::PlanResult::kSuccess);
  CHECK(plan.actions[1].input == R"({"callback":{"task_id":"t1","step_id":3},"current_request_id":"request-1"})");
  const auto entry = only_entry();
  CHECK(entry.plan_id == plan.id);
  CHECK(entry.action_id == 1);
  CHECK(entry.callback == R"({"task_id":"t1","step_id":3})");
  CHECK(entry.data.empty());
  CHECK(entry.request_id == "request-1");
  CHECK(data_from(world(), observer.ended_plans())(entry).value() == R"({"exit_status":0})");
}

TEST_CASE_METHOD(Fixture, "a task that fails before its callback is reported all the same") {
  const auto plan = settled(trigger("Test::Boom"));
  CHECK(plan.state == persistence::PlanState::kPaused);
  const auto entry = only_entry();
  CHECK(entry.callback == R"({"task_id":"t1","step_id":3})");
  const Json data = parsed(data_from(world(), observer.ended_plans())(entry).value());
  CHECK(json::get_string(data["result"][0], "output") == "Proxy error: RuntimeError - boom");
  CHECK(json::get_string(data["result"][0], "output_type") == "debug");
  CHECK(json::get_string(data, "exit_status") == "EXCEPTION");
}

TEST_CASE_METHOD(Fixture, "what a task that ended here reports is not read from the store, but for a second time") {
  settled(trigger("Test::Work"));
  const auto entry = only_entry();
  const auto& reads = persistence::watched(*store)->numbers().reads;
  const auto before = reads.view().count;
  const auto data = data_from(world(), observer.ended_plans());
  CHECK(data(entry).value() == R"({"exit_status":0})");
  CHECK(reads.view().count == before);
  CHECK(data(entry).value() == R"({"exit_status":0})");
  CHECK(reads.view().count > before);
}

TEST_CASE_METHOD(Fixture, "a plan that another world may work on is not reported from memory") {
  const auto plan = settled(trigger("Test::Work"));
  observer.plan_dropped(plan.id);
  CHECK(observer.ended_plans().take(plan.id) == nullptr);
}

TEST_CASE_METHOD(Fixture, "a launch that failed is not reported from memory, another plan may have its id") {
  persistence::PlanRecord plan = settled(trigger("Test::Work"));
  observer.ended_plans().forget(plan.id);
  for (persistence::StepRecord& step : plan.steps) {
    if (step.phase != persistence::StepPhase::kPlan) step.state = persistence::StepState::kPending;
  }
  plan.result = persistence::PlanResult::kError;
  persistence::WriteBatch rows;
  observer.plan_changed(plan, rows);
  CHECK(observer.ended_plans().take(plan.id) == nullptr);
}

TEST_CASE_METHOD(Fixture, "a document shows the reference to the output and none of our notes") {
  const auto plan = settled(trigger("Test::Boom"));
  const Json input = parsed(engine::status_document(world(), plan.id).value())["actions"][1]["input"];
  CHECK(json::find(input, "data") != nullptr);
  CHECK(json::find(input, "data_action_id") == nullptr);
}

TEST_CASE("added output stands behind what is there and replaces nothing") {
  CHECK(merge_output(R"({"result":[1],"exit_status":3})", R"({"result":[2],"exit_status":"EXCEPTION","x":1})").value() ==
        R"({"result":[1,2],"exit_status":3,"x":1})");
  CHECK(merge_output("{}", R"({"result":[2]})").value() == R"({"result":[2]})");
  CHECK(merge_output("[]", R"({"a":1})").value() == R"({"a":1})");
  CHECK(merge_output("nonsense", "{}").error().code() == Code::kCorrupt);
}
