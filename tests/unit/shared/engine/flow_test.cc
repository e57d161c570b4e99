#include "shared/engine/flow.h"

#include <set>

#include "shared/engine/cursor.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Block = std::function<void(Planning&)>;

// Plans leaves inside a root action without steps of its own: their run steps are 3, 5, 7, 9...
PlanRecord planned(Block block) {
  Engine engine;
  engine.add({.name = "Leaf", .run = [](Running& r, const Event*) { r.output()["v"] = 1; }});
  engine.add({.name = "Root", .plan = [block](Planning& p, Json) { block(p); }});
  const std::string id = engine.trigger("Root");
  return engine.store.plans().at(id);
}

OutputReference leaf(Planning& planning, std::vector<OutputReference> uses = {}) {
  Json args = Json::object();
  args["uses"] = Json::array();
  for (const OutputReference& reference : uses) args["uses"].push_back(reference["v"].to_json());
  return planning.plan_action("Leaf", args);
}

TEST_CASE("run flows are composed as Dynflow does", "[flow][P01][P03]") {
  const std::vector<std::pair<std::string, Block>> table = {
      {R"(["C"])", [](Planning&) {}},
      {R"(["C",3,5,7])", [](Planning& p) { leaf(p), leaf(p), leaf(p); }},
      {R"(["S",3,5,7])", [](Planning& p) { p.sequence([&] { leaf(p), leaf(p), leaf(p); }); }},
      {R"(["C",["S",3,5],7])",
       [](Planning& p) {
         const auto a = leaf(p);
         leaf(p, {a});
         leaf(p);
       }},
      {R"(["S",["C",3,5],7])",
       [](Planning& p) {
         const auto a = leaf(p);
         const auto b = leaf(p);
         leaf(p, {a, b});
       }},
      {R"(["S",3,5,7,9])",
       [](Planning& p) {
         const auto a = leaf(p);
         const auto b = leaf(p, {a});
         const auto c = leaf(p, {a});
         leaf(p, {b, c});
       }},
      {R"(["S",["C",["S",["C",3,5],9],7],11])",
       [](Planning& p) {
         const auto a = leaf(p);
         const auto b = leaf(p);
         const auto c = leaf(p);
         leaf(p, {a, b});
         leaf(p, {b, c});
       }},
      {R"(["C",["S",3,7],["S",5,9]])",
       [](Planning& p) {
         const auto a = leaf(p);
         const auto b = leaf(p);
         leaf(p, {a});
         leaf(p, {b});
       }},
      {R"(["S",["C",3,5],7])",
       [](Planning& p) {
         p.sequence([&] {
           p.concurrence([&] { leaf(p), leaf(p); });
           leaf(p);
         });
       }},
      {R"(["S",3,5,7])",
       [](Planning& p) {
         p.sequence([&] {
           leaf(p);
           p.sequence([&] { leaf(p), leaf(p); });
         });
       }},
  };
  for (const auto& [expected, block] : table) {
    CHECK(planned(block).run_flow == expected);
  }
}

TEST_CASE("one action with a run step only is a bare number", "[flow]") {
  Engine engine;
  engine.add({.name = "Leaf", .run = [](Running&, const Event*) {}});
  CHECK(engine.run("Leaf").run_flow == "2");
}

TEST_CASE("both stored forms of flows are read", "[flow]") {
  const auto arrays = Flow::parse(R"(["C",["S",3,5],7])");
  const auto objects = Flow::parse(
      R"({"class":"Dynflow::Flows::Concurrence","flows":[
            {"class":"Dynflow::Flows::Sequence","flows":[{"class":"Dynflow::Flows::Atom","step_id":3},
                                                         {"class":"Dynflow::Flows::Atom","step_id":5}]},
            {"class":"Dynflow::Flows::Atom","step_id":7}]})");
  REQUIRE(arrays.ok());
  REQUIRE(objects.ok());
  CHECK(*arrays == *objects);
  CHECK(objects->to_json() == R"(["C",["S",3,5],7])");
  CHECK(Flow::parse("2")->to_json() == "2");
  CHECK(Flow::parse(R"({"class":"Dynflow::Flows::Sequence","flows":[]})")->to_json() == R"(["S"])");
}

TEST_CASE("flows that make no sense are corrupt", "[flow][S23]") {
  for (const char* text : {"", "[", "[]", "[3]", R"(["X",3])", "\"S\"", "0", "-1", "2.5", "99999999999", "null", "{}",
                           R"({"class":"Dynflow::Flows::Atom"})", R"({"class":"Dynflow::Flows::Sequence"})",
                           R"(["S",["C","3"]])"}) {
    const auto flow = Flow::parse(text);
    INFO(text);
    REQUIRE_FALSE(flow.ok());
    CHECK(flow.error().code() == Code::kCorrupt);
  }
}

TEST_CASE("a plan of many parallel steps is composed quickly", "[flow]") {
  DependencyGraph none;
  Flow flow = Flow::concurrence();
  for (int id = 1; id <= 100'000; ++id) flow.add_and_resolve(none, Flow::step(id));
  CHECK(flow.parts().size() == 100'000);
}

class Walk {
 public:
  explicit Walk(std::string_view flow, std::set<int> finished = {})
      : finished_(std::move(finished)), cursor(*Flow::parse(flow), [this](int id) { return finished_.count(id) > 0; }) {}

 private:
  std::set<int> finished_;

 public:
  Cursor cursor;
};

using Ids = std::vector<int>;

TEST_CASE("the cursor hands out what may run", "[cursor][E15]") {
  Walk walk(R"(["S",["C",["S",1,2],3],4])");
  CHECK(walk.cursor.start() == Ids{1, 3});
  CHECK(walk.cursor.step_ended(3, true).empty());
  CHECK(walk.cursor.step_ended(1, true) == Ids{2});
  CHECK(walk.cursor.step_ended(2, true) == Ids{4});
  CHECK_FALSE(walk.cursor.is_done());
  CHECK(walk.cursor.step_ended(4, true).empty());
  CHECK(walk.cursor.is_done());
  CHECK(walk.cursor.succeeded());
}

TEST_CASE("a failure ends its branch, its siblings come to their end", "[cursor][E15]") {
  Walk walk(R"(["S",["C",["S",1,2],["S",3,5]],4])");
  CHECK(walk.cursor.start() == Ids{1, 3});
  CHECK(walk.cursor.step_ended(1, false).empty());
  CHECK_FALSE(walk.cursor.is_done());
  CHECK(walk.cursor.step_ended(3, true) == Ids{5});
  CHECK(walk.cursor.step_ended(5, true).empty());
  CHECK(walk.cursor.is_done());
  CHECK_FALSE(walk.cursor.succeeded());
}

TEST_CASE("finished steps are passed over, an empty flow is done at once", "[cursor]") {
  Walk resumed(R"(["S",1,["C",2,3],4])", {1, 2, 3});
  CHECK(resumed.cursor.start() == Ids{4});
  Walk all(R"(["S",1,["C",2,3],4])", {1, 2, 3, 4});
  CHECK(all.cursor.start().empty());
  CHECK((all.cursor.is_done() && all.cursor.succeeded()));
  Walk empty(R"(["C"])");
  CHECK(empty.cursor.start().empty());
  CHECK(empty.cursor.is_done());
}

}  // namespace
}  // namespace dynflow::engine
