// What the code of actions may do to a step, and what becomes of it.

#include <cmath>
#include <limits>
#include <new>

#include "shared/engine/cancellable.h"
#include "shared/engine/states.h"
#include "shared/engine/storable.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;

Json nested(int depth) {
  Json value = 1;
  for (int i = 0; i < depth; ++i) value = Json::array({std::move(value)});
  return value;
}

TEST_CASE("text is made storable", "[storable]") {
  CHECK(storable_text("as it is \xC3\xA9") == "as it is \xC3\xA9");
  CHECK(storable_text(std::string("a\0b", 3)) == "a\xEF\xBF\xBD" "b");
  CHECK(storable_text("a\xff") == "a\xEF\xBF\xBD");
  CHECK(storable_text("") == "");
}

TEST_CASE("JSON that could not be read again is refused", "[storable]") {
  const auto code_of = [](const Json& value) {
    const auto text = storable_json(value);
    return text.ok() ? std::string("ok") : std::string(to_string(text.error().code()));
  };
  const std::string refused(to_string(Code::kUnprocessable));
  CHECK(code_of(Json::object()) == "ok");
  CHECK(code_of(Json::array()) == to_string(Code::kInvalid));
  CHECK(code_of(Json{{"x", nested(89)}}) == "ok");
  CHECK(json::parse(*storable_json(Json{{"x", nested(89)}})).ok());
  CHECK(code_of(Json{{"x", nested(90)}}) == refused);
  CHECK(code_of(Json{{"x", nested(100'000)}}) == refused);
  Json wide = Json::object();
  for (int i = 0; i <= 20'000; ++i) wide[std::to_string(i)] = 1;
  CHECK(code_of(wide) == refused);
  wide.erase("0");
  CHECK(code_of(wide) == "ok");
}

TEST_CASE("odd values in output are stored sanely or are an error of the step", "[execution][Q4][Q14]") {
  Engine engine;
  engine.add({.name = "Odd", .run = [](Running& r, const Event*) {
                r.output()["nan"] = std::nan("");
                r.output()["infinite"] = -std::numeric_limits<double>::infinity();
                r.output()["bytes"] = "a\xff";
                r.output()["nul"] = std::string("a\0b", 3);
                r.output()["huge"] = std::numeric_limits<std::uint64_t>::max();
                r.output()["least"] = std::numeric_limits<std::int64_t>::min();
                r.input()["bytes \xfe"] = "\xfe";
              }});
  engine.add({.name = "Deep", .run = [](Running& r, const Event*) { r.output()["x"] = nested(5000); }});
  engine.add({.name = "DeepInput", .run = [](Running& r, const Event*) {
                r.output()["kept"] = 1;
                r.input()["x"] = nested(5000);
              }});
  engine.add({.name = "DeepFinalize",
              .run = [](Running&, const Event*) {},
              .finalize = [](Finalizing& f) { f.output()["x"] = nested(200); }});
  engine.add({.name = "DeepFailing", .run = [](Running& r, const Event*) {
                r.output()["x"] = nested(5000);
                throw std::runtime_error("the first error");
              }});
  const PlanRecord odd = engine.run("Odd");
  CHECK(shown(odd) == "stopped/success");
  CHECK(odd.actions[0].output == "{\"nan\":null,\"infinite\":null,\"bytes\":\"a\xEF\xBF\xBD\",\"nul\":\"a\\u0000b\","
                                 "\"huge\":18446744073709551615,\"least\":-9223372036854775808}");
  CHECK(odd.actions[0].input == "{\"bytes \xEF\xBF\xBD\":\"\xEF\xBF\xBD\"}");
  for (const auto& [name, what] : {std::pair{"Deep", "output"}, std::pair{"DeepInput", "input"}, std::pair{"DeepFinalize", "output"}}) {
    const PlanRecord plan = engine.run(name);
    CHECK(shown(plan) == "paused/error");
    const StepRecord& failed = plan.steps.back();
    CHECK(failed.error->exception_class == "TypeError");
    CHECK(failed.error->message == what + std::string(" of ") + name + " is nested too deeply or has too many members");
    CHECK(status_document(*engine.world, plan.id).ok());
  }
  CHECK(output_of(engine.run("DeepInput")) == Json{{"kept", 1}});
  CHECK(step_of(engine.run("DeepFailing"), 2).error->message == "the first error");
}

TEST_CASE("whatever is thrown is stored as the error of the step", "[execution][Q3]") {
  Engine engine;
  engine.add({.name = "Number", .run = [](Running&, const Event*) { throw 42; }});
  engine.add({.name = "Memory", .run = [](Running&, const Event*) { throw std::bad_alloc(); }});
  engine.add({.name = "Bytes", .run = [](Running&, const Event*) { throw std::runtime_error("a\xff"); }});
  engine.add({.name = "Length", .run = [](Running&, const Event*) { throw std::runtime_error(std::string(1'000'000, 'x')); }});
  engine.add({.name = "Finalize", .run = [](Running&, const Event*) {}, .finalize = [](Finalizing&) { throw 42; }});
  ActionClass unmade = to_class({.name = "Unmade", .run = [](Running&, const Event*) {}});
  int made = 0;
  const auto make = unmade.make;
  unmade.make = [&made, make]() -> std::unique_ptr<Action> {
    if (++made > 1) throw std::runtime_error("no object");  // the first is for planning
    return make();
  };
  engine.add(unmade);
  CHECK(step_of(engine.run("Number"), 2).error->exception_class == "UnknownError");
  CHECK(step_of(engine.run("Memory"), 2).error->message == "std::bad_alloc");
  CHECK(step_of(engine.run("Bytes"), 2).error->message == "a\xEF\xBF\xBD");
  CHECK(step_of(engine.run("Length"), 2).error->message.size() == 64 * 1024);
  CHECK(step_of(engine.run("Finalize"), 3).error->exception_class == "UnknownError");
  CHECK(step_of(engine.run("Unmade"), 2).error->message == "no object");
  for (const auto& [id, plan] : engine.store.plans()) CHECK(shown(plan) == "paused/error");
  CHECK(engine.world->active_plans() == 0);
}

TEST_CASE("an error that another one follows stays in the history", "[execution][Q1]") {
  Engine engine;
  int runs = 0;
  engine.add({.name = "Bad", .run = [&](Running&, const Event*) { throw std::runtime_error(std::to_string(++runs)); }});
  const std::string id = engine.run("Bad").id;
  REQUIRE(engine.world->resume(id).ok());
  const PlanRecord plan = engine.settle(id);
  CHECK(step_of(plan, 2).error->message == "2");
  CHECK(history_of(plan) == Names{"start execution", "pause execution", "start execution",
                                  "step 2 had failed: RuntimeError - 1", "pause execution"});
}

TEST_CASE("a result that the store refuses is an error of the step, and the plan can be resumed", "[execution][Q2]") {
  // Refused at once, or again and again.
  const auto [failures, code] = GENERATE(std::pair(1, Code::kConflict), std::pair(1, Code::kInvalid), std::pair(9, Code::kFailed));
  const bool ends_plan = GENERATE(true, false);
  CAPTURE(to_string(code), ends_plan);
  Engine engine;
  engine.add({.name = "Wait",
              .run =
                  [](Running& r, const Event* event) {
                    if (!event || event->name != "end") r.suspend();
                    r.output()["event"] = event ? event->name : "none";
                  },
              .takes_events = true});
  const std::string id = engine.run("Wait").id;
  engine.store.fail_next(failures, code);
  engine.world->send(id, 2, {ends_plan ? "end" : "go on", {}});
  engine.scheduler->run_to_the_end();
  PlanRecord plan = engine.settle(id);
  CHECK(shown(plan) == "paused/error");
  CHECK(step_of(plan, 2).error->message == "its result could not be stored: told to fail");
  CHECK(history_of(plan) == Names{"start execution", "pause execution"});
  CHECK_FALSE(plan.ended_at);
  CHECK(output_of(plan)["event"] == "none");
  CHECK(engine.world->active_plans() == 0);
  REQUIRE(engine.world->resume(id).ok());
  engine.settle(id);
  engine.world->send(id, 2, {"end", {}});
  CHECK(shown(engine.settle(id)) == "stopped/success");
}

TEST_CASE("an event to a suspended step that takes none is its error", "[execution]") {
  Engine engine;
  engine.add({.name = "Deaf", .run = [](Running& r, const Event*) { r.suspend(); }});
  const std::string id = engine.run("Deaf").id;
  REQUIRE(engine.world->send_durable(id, 2, {"a", {}}).ok());
  const PlanRecord plan = engine.settle(id);
  CHECK(shown(plan) == "paused/error");
  CHECK(step_of(plan, 2).error->exception_class == "ArgumentError");
  CHECK(step_of(plan, 2).error->message == "wrong number of arguments (given 1, expected 0)");
  CHECK(engine.store.events().empty());

  // While it runs, nothing tells that it will suspend.
  Engine busy;
  World* world = nullptr;
  Code refused = Code::kFailed;
  busy.add({.name = "Deaf", .run = [&](Running& r, const Event*) {
              world->send(r.plan_id(), r.step_id(), {"early", {}});
              r.suspend();
            }});
  world = &busy.start();
  const std::string early = busy.run("Deaf").id;
  CHECK(shown(busy.settle(early)) == "paused/error");
  const auto late = busy.world->send_durable(early, 2, {"late", {}});
  if (!late.ok()) refused = late.error().code();
  CHECK(refused == Code::kConflict);
}

// Counts what it is asked to do.
class Countdown final : public CancellableAction {
 public:
  explicit Countdown(std::string mode) : mode_(std::move(mode)) {}

 protected:
  void run_or_handle(Running& r, const Event* event) override {
    r.output()["events"].push_back(event ? event->name : "start");
    if (!event) r.suspend();
  }
  void cancel(Running& r) override {
    r.output()["cancelled"] = true;
    if (mode_ == "fails") throw std::runtime_error("action cancelled");
    if (mode_ == "waits") r.suspend();
  }
  void abort(Running& r) override {
    if (mode_ != "aborts") return CancellableAction::abort(r);
    r.output()["aborted"] = true;
  }
  Progress run_progress(const Json&, const Json&) const override { return {0.2, 1}; }

 private:
  const std::string mode_;
};

ActionClass countdown(std::string mode) {
  ActionClass made;
  made.name = mode;
  made.has_run = made.takes_events = made.is_cancellable = true;
  made.make = [mode] { return std::make_unique<Countdown>(mode); };
  return made;
}

TEST_CASE("what cancelling means is up to the action", "[execution][E14]") {
  struct Row {
    std::string mode;
    bool force;
    std::string expected;
    std::string output;
  };
  const std::vector<Row> table = {
      {"ends", false, "stopped/success", R"({"events":["start"],"cancelled":true})"},
      {"ends", true, "stopped/success", R"({"events":["start"],"cancelled":true})"},
      {"fails", false, "paused/error", R"({"events":["start"],"cancelled":true})"},
      {"waits", false, "running/pending", R"({"events":["start"],"cancelled":true})"},
      {"aborts", true, "stopped/success", R"({"events":["start"],"aborted":true})"},
      {"aborts", false, "stopped/success", R"({"events":["start"],"cancelled":true})"},
  };
  for (const Row& row : table) {
    Engine engine;
    engine.add(countdown(row.mode));
    const std::string id = engine.run(row.mode).id;
    CHECK(progress_of(engine.settle(id)) == Approx(0.2));
    REQUIRE(engine.world->cancel(id, row.force).value() == 1);
    const PlanRecord plan = engine.settle(id);
    CHECK(shown(plan) == row.expected);
    CHECK(json::dump(output_of(plan)) == row.output);
    if (row.mode == "fails") {
      CHECK(step_of(plan, 2).error->message == "action cancelled");
      CHECK(progress_of(plan) == Approx(0.2));
    }
  }
}

TEST_CASE("progress of a plan is that of its steps by weight", "[execution][E10]") {
  Engine engine;
  engine.add({.name = "Part",
              .run =
                  [](Running& r, const Event* event) {
                    r.output()["weight"] = Json(r.input()["weight"]);
                    if (!event) r.suspend();
                  },
              .progress =
                  [](const Json& output) {
                    const double weight = output["weight"].get<double>();
                    return Progress{weight == 4 ? 0.3 : weight == 5 ? 0.6 : 0.0, weight};
                  },
              .takes_events = true});
  engine.add({.name = "Odd", .run = [](Running& r, const Event*) { r.suspend(); }, .progress = [](const Json&) {
                return Progress{std::nan(""), std::numeric_limits<double>::infinity()};
              }});
  engine.add({.name = "Throws", .run = [](Running& r, const Event*) { r.suspend(); }, .progress = [](const Json&) -> Progress {
                throw 42;
              }});
  engine.add({.name = "Parts", .plan = [](Planning& p, Json) {
                for (const int weight : {1, 4, 5}) p.plan_action("Part", {{"weight", weight}});
              }});
  engine.add(Script{.name = "Nothing"});
  const std::string id = engine.trigger("Parts");
  CHECK(progress_of(engine.store.plans().at(id)) == 0);
  CHECK(progress_of(engine.settle(id)) == Approx(0.42));
  for (const int step : {3, 5, 7}) engine.world->send(id, step, {"end", {}});
  CHECK(progress_of(engine.settle(id)) == 1);
  const PlanRecord odd = engine.run("Odd");
  CHECK(step_of(odd, 2).progress_done == 0);
  CHECK(step_of(odd, 2).progress_weight == 0);
  CHECK(progress_of(odd) == 1);
  CHECK(shown(engine.run("Throws")) == "running/pending");
  PlanRecord nothing = engine.run("Nothing");
  CHECK(progress_of(nothing) == 1);
  nothing.state = PlanState::kScheduled;
  CHECK(progress_of(nothing) == 0);
}

TEST_CASE("output chunks go in order with the result of their run", "[output]") {
  Engine engine;
  std::size_t seen = 0;
  engine.add({.name = "Talk",
              .run =
                  [&](Running& r, const Event* event) {
                    seen = r.stored_output_chunks().size();
                    r.output()["result"] = Json::array();
                    r.world().append_output(r.plan_id(), r.action_id(), {{0, "stdout", "before\xff", engine.clock.now(), {}}});
                    r.output_chunk(event ? "second" : "first");
                    r.output_chunk(std::string("\xff\0", 2), "debug");
                    if (!event) return static_cast<void>(r.suspend());
                    if (event->name == "fail") throw std::runtime_error("told to");
                  },
              .takes_events = true});
  const std::string id = engine.run("Talk").id;
  CHECK(seen == 0);
  engine.world->send(id, 2, {"fail", {}});
  CHECK(shown(engine.settle(id)) == "paused/error");
  CHECK(seen == 3);
  const auto chunks = engine.store.load_chunks(id, 1, 0, 0).value();
  Names texts;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    texts.push_back(chunks[i].output_type + ":" + chunks[i].output);
    CHECK(chunks[i].sequence == static_cast<std::int64_t>(i + 1));
  }
  const Names both = {"stdout:before\xEF\xBF\xBD", "stdout:first", "debug:\xEF\xBF\xBD\xEF\xBF\xBD",
                      "stdout:before\xEF\xBF\xBD", "stdout:second", "debug:\xEF\xBF\xBD\xEF\xBF\xBD"};
  CHECK(texts == both);
  engine.store.fail_chunk_reads(true);
  REQUIRE(engine.world->resume(id).ok());
  CHECK(step_of(engine.settle(id), 2).error->message == "stored output cannot be read: told to fail");
}

TEST_CASE("an action drops the output it has given", "[output][S17]") {
  Engine engine;
  engine.add({.name = "Talk",
              .run =
                  [&](Running& r, const Event* event) {
                    r.output_chunk(event ? event->name : "first");
                    if (!event) return static_cast<void>(r.suspend());
                    r.drop_output_chunks();
                    r.output_chunk("after " + event->name);
                    if (event->name == "fail") throw std::runtime_error("told to");
                    if (event->name != "end") r.suspend();
                  },
              .takes_events = true});
  const std::string id = engine.run("Talk").id;
  const auto texts = [&] {
    Names all;
    const auto stored = engine.store.load_chunks(id, 1, 0, 0).value();
    for (const auto& chunk : stored) {
      all.push_back(std::to_string(chunk.sequence) + " " + chunk.output);
    }
    return all;
  };
  CHECK(texts() == Names{"1 first"});
  SECTION("with what came from outside meanwhile") {
    engine.world->append_output(id, 1, {{0, "stdout", "outside", engine.clock.now(), {}}});
    engine.world->send(id, 2, {"go on", {}});
    engine.settle(id);
    CHECK(texts().size() == 1);
    CHECK_THAT(texts().front(), Catch::EndsWith(" after go on"));
    engine.world->send(id, 2, {"end", {}});
    CHECK(shown(engine.settle(id)) == "stopped/success");
    CHECK(texts().size() == 1);
    CHECK_THAT(texts().front(), Catch::EndsWith(" after end"));
  }
  SECTION("not when it fails") {
    engine.world->send(id, 2, {"fail", {}});
    CHECK(shown(engine.settle(id)) == "paused/error");
    CHECK(texts() == Names{"1 first", "2 fail", "3 after fail"});
  }
  SECTION("nor twice when the store fails first") {
    engine.store.fail_next(2);
    engine.world->append_output(id, 1, {{0, "stdout", "outside", engine.clock.now(), {}}});
    engine.world->send(id, 2, {"go on", {}});
    engine.world->send(id, 2, {"end", {}});
    engine.scheduler->run_to_the_end();  // the store is tried again by a timer
    CHECK(shown(engine.settle(id)) == "stopped/success");
    CHECK(texts().size() == 1);
    CHECK_THAT(texts().front(), Catch::EndsWith(" after end"));
  }
}

TEST_CASE("events that nobody takes are counted", "[events][X02][V04][V05]") {
  Engine engine;
  engine.add({.name = "Listen",
              .run =
                  [](Running& r, const Event* event) {
                    if (!event) r.suspend();
                  },
              .takes_events = true});
  const std::string id = engine.run("Listen").id;
  CHECK(engine.world->dead_letters() == 0);
  engine.world->send("nobody", 2, {"a", {}});
  engine.world->send(id, 1, {"a", {}});
  engine.world->send(id, 99, {"a", {}});
  engine.settle(id);
  CHECK(engine.world->dead_letters() == 3);
  engine.world->send(id, 2, {"end", {}});
  engine.world->send(id, 2, {"late", {}});  // its step ends before its turn
  CHECK(shown(engine.settle(id)) == "stopped/success");
  CHECK(engine.world->dead_letters() == 4);
  CHECK(engine.world->send_durable(id, 2, {"later", {}}).error().code() == Code::kConflict);
  CHECK(engine.world->send_durable("nobody", 2, {"a", {}}).error().code() == Code::kNotFound);
}

}  // namespace
}  // namespace dynflow::engine
