// Steps run as soon as what they need has ended; the flow that is shown may say more.

#include "shared/engine/step_order.h"

#include <algorithm>

#include "shared/engine/cursor.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;
using Ids = std::vector<int>;

// Leaves that note when they begin and then wait for "end". Their run steps are 3, 5, 7...
class Diamonds : public Engine {
 public:
  Diamonds() {
    add({.name = "Leaf",
         .run =
             [this](Running& r, const Event* event) {
               if (event && event->name == "fail") throw std::runtime_error("told to");
               if (event) {
                 r.output()["v"] = 1;
               } else {
                 began.push_back(r.step_id());
                 r.suspend();
               }
             },
         .takes_events = true});
    // a; b and c need a; d needs b and c.
    add({.name = "Diamond", .plan = [](Planning& p, Json) {
           const auto a = leaf(p, {});
           const auto b = leaf(p, {a});
           const auto c = leaf(p, {a});
           leaf(p, {b, c});
         }});
    // A diamond between two explicit steps.
    add({.name = "Between", .plan = [](Planning& p, Json) {
           p.sequence([&] {
             leaf(p, {});
             p.concurrence([&] {
               const auto a = leaf(p, {});
               const auto b = leaf(p, {a});
               const auto c = leaf(p, {a});
               leaf(p, {b, c});
             });
             leaf(p, {});
           });
         }});
  }
  static OutputReference leaf(Planning& p, const std::vector<OutputReference>& uses) {
    Json args = Json::object();
    args["uses"] = Json::array();
    for (const OutputReference& reference : uses) args["uses"].push_back(reference["v"].to_json());
    return p.plan_action("Leaf", args);
  }
  PlanRecord end(const std::string& id, int step_id, std::string event = "end") {
    world->send(id, step_id, {std::move(event), {}});
    return settle(id);
  }
  Ids began;
};

TEST_CASE("the sides of a diamond run at once, its flow is shown as Dynflow's", "[order][Q10]") {
  Diamonds engine;
  const PlanRecord plan = engine.run("Diamond");
  CHECK(plan.run_flow == R"(["S",3,5,7,9])");
  CHECK(engine.began == Ids{3});
  engine.end(plan.id, 3);
  CHECK(engine.began == Ids{3, 5, 7});
  engine.end(plan.id, 7);
  CHECK(engine.began == Ids{3, 5, 7});
  engine.end(plan.id, 5);
  CHECK(engine.began == Ids{3, 5, 7, 9});
  CHECK(shown(engine.end(plan.id, 9)) == "stopped/success");
}

TEST_CASE("a world may follow the flow strictly", "[order]") {
  Diamonds engine;
  engine.options.follows_flow_strictly = true;
  const std::string id = engine.run("Diamond").id;
  engine.end(id, 3);
  CHECK(engine.began == Ids{3, 5});
  engine.end(id, 5);
  CHECK(engine.began == Ids{3, 5, 7});
}

TEST_CASE("explicit sequences hold around a diamond", "[order]") {
  Diamonds engine;
  const PlanRecord plan = engine.run("Between");
  CHECK(plan.run_flow == R"(["S",3,5,7,9,11,13])");
  CHECK(engine.began == Ids{3});
  engine.end(plan.id, 3);
  CHECK(engine.began == Ids{3, 5});
  engine.end(plan.id, 5);
  CHECK(engine.began == Ids{3, 5, 7, 9});
  engine.end(plan.id, 9), engine.end(plan.id, 7);
  CHECK(engine.began.back() == 11);
  CHECK(engine.began.size() == 5);
  engine.end(plan.id, 11);
  CHECK(engine.began.back() == 13);
  CHECK(shown(engine.end(plan.id, 13)) == "stopped/success");
}

TEST_CASE("a failed side of a diamond blocks what needs it only", "[order]") {
  Diamonds engine;
  const std::string id = engine.run("Diamond").id;
  engine.end(id, 3);
  CHECK(shown(engine.end(id, 5, "fail")) == "running/error");
  const PlanRecord paused = engine.end(id, 7);
  CHECK(shown(paused) == "paused/error");
  CHECK(step_of(paused, 7).state == StepState::kSuccess);
  CHECK(step_of(paused, 9).state == StepState::kPending);
  engine.began.clear();
  REQUIRE(engine.world->resume(id).ok());
  engine.settle(id);
  CHECK(engine.began == Ids{5});
  engine.end(id, 5);
  CHECK(engine.began == Ids{5, 9});
  CHECK(shown(engine.end(id, 9)) == "stopped/success");
}

TEST_CASE("the order outlives a restart", "[order]") {
  Diamonds engine;
  const std::string id = engine.run("Diamond").id;
  engine.end(id, 3);
  engine.crash();
  engine.began.clear();
  engine.start();
  engine.settle(id);
  std::sort(engine.began.begin(), engine.began.end());
  CHECK(engine.began == Ids{5, 7});
}

TEST_CASE("where the flow says all, nothing else is stored", "[order]") {
  Diamonds engine;
  engine.add({.name = "Chain", .plan = [](Planning& p, Json) {
                auto last = Diamonds::leaf(p, {});
                for (int i = 0; i < 5; ++i) last = Diamonds::leaf(p, {last});
                Diamonds::leaf(p, {});
              }});
  engine.add({.name = "Merge", .plan = [](Planning& p, Json) {
                const auto a = Diamonds::leaf(p, {});
                const auto b = Diamonds::leaf(p, {});
                Diamonds::leaf(p, {a, b});
              }});
  for (const char* name : {"Chain", "Merge"}) {
    for (const StepRecord& step : engine.run(name).steps) {
      if (step.phase == StepPhase::kRun) CHECK(step.children.empty());
    }
  }
}

TEST_CASE("an order of too many pairs is left to the flow", "[order]") {
  Flow many = Flow::concurrence();
  Flow others = Flow::concurrence();
  std::vector<std::pair<int, int>> references;
  for (int id = 1; id <= 400; ++id) many.append(Flow::step(id)), others.append(Flow::step(400 + id));
  for (int id = 1; id <= 400; ++id) references.emplace_back(400 + id, id);
  Flow shown = Flow::sequence();
  shown.append(many), shown.append(others);
  Flow asked = Flow::concurrence();
  asked.append(many), asked.append(others);
  CHECK_FALSE(order_beyond(shown, asked, references));
  CHECK_FALSE(order_beyond(shown, shown, {}));
}

TEST_CASE("a stored order that makes no sense is not followed", "[order]") {
  const Flow flow = *Flow::parse(R"(["S",2,3])");
  std::vector<StepRecord> steps(4);
  CHECK_FALSE(stored_order(flow, steps));
  steps[2].children = {2};
  CHECK(stored_order(flow, steps)->at(3) == Ids{2});
  for (const int bad : {1, 3, 4, 99, 0, -1}) {
    steps[2].children = {bad};
    CHECK_FALSE(stored_order(flow, steps));
  }
}

TEST_CASE("the cursor by an order of its own", "[cursor][E15]") {
  const Flow flow = *Flow::parse(R"(["S",4,5,6,7])");
  Cursor cursor(flow, {{5, {4}}, {6, {4}}, {7, {5, 6}}}, [](int) { return false; });
  CHECK(cursor.start() == Ids{4});
  CHECK(cursor.step_ended(4, true) == Ids{5, 6});
  CHECK(cursor.step_ended(6, true).empty());
  CHECK(cursor.step_ended(5, false).empty());
  CHECK(cursor.is_done());
  CHECK_FALSE(cursor.succeeded());
  CHECK(cursor.step_ended(99, true).empty());
}

}  // namespace
}  // namespace dynflow::engine
