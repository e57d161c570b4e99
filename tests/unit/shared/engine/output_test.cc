// What a plan says while it works, and what is shown of it.
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using std::chrono::seconds;

persistence::OutputChunk chunk(std::string text, Time time) { return {0, "stdout", std::move(text), time, {}}; }

TEST_CASE("output is numbered, grows in time and stands in the documents", "[output]") {
  Engine engine;
  engine.add({.name = "Talk",
              .run =
                  [](Running& r, const Event* event) {
                    r.output()["result"] = Json::array();
                    r.output()["exit_status"] = 0;
                    if (!event) r.suspend();
                  },
              .takes_events = true});
  const std::string id = engine.run("Talk").id;
  const Time now = engine.clock.now();
  engine.world->append_output(id, 1, {chunk("a", now), chunk("b", now)});
  engine.world->append_output(id, 1, {chunk("c", now - seconds(1))});
  bool is_flushed = false;
  engine.store.fail_next(1);
  engine.world->flush_output(id, [&](Status status) { is_flushed = status.ok(); });
  engine.scheduler->run_to_the_end();
  CHECK(is_flushed);
  const auto chunks = engine.store.load_chunks(id, 1, 0, 0).value();
  REQUIRE(chunks.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(chunks[i].sequence == static_cast<std::int64_t>(i) + 1);
    if (i > 0) CHECK(chunks[i].timestamp > chunks[i - 1].timestamp);
  }
  CHECK(output_document(*engine.world, id, 1).value() ==
        R"({"result":[{"output_type":"stdout","output":"a","timestamp":1767225600.0},)"
        R"({"output_type":"stdout","output":"b","timestamp":1767225600.000001},)"
        R"({"output_type":"stdout","output":"c","timestamp":1767225600.000002}],"exit_status":0})");
  CHECK(output_document(*engine.world, id, 7).error().code() == Code::kNotFound);

  // Another world goes on counting where this one stopped.
  engine.crash();
  engine.start();
  engine.world->append_output(id, 1, {chunk("d", now)});
  engine.scheduler->run_ready();
  CHECK(engine.store.load_chunks(id, 1, 3, 0)->front().sequence == 4);
  CHECK(status_document(*engine.world, id)->find(R"("output":"d")") != std::string::npos);
}

TEST_CASE("output that was dropped leaves its numbers to no other, and a new world reads none to know them", "[output][S17]") {
  Engine engine;
  engine.add({.name = "Talk",
              .run =
                  [](Running& r, const Event* event) {
                    if (event && event->name == "drop") r.drop_output_chunks();
                    r.suspend();
                  },
              .takes_events = true});
  const std::string id = engine.run("Talk").id;
  const Time now = engine.clock.now();
  const auto say = [&] {
    engine.world->append_output(id, 1, {chunk("a", now)});
    engine.scheduler->run_ready();
  };
  const auto last = [&] { return engine.store.load_chunks(id, 1, 0, 0)->back(); };
  say();
  say();
  const persistence::OutputChunk second = last();
  CHECK(second.sequence == 2);
  engine.world->send(id, 2, {"drop", {}});
  engine.scheduler->run_ready();
  REQUIRE(engine.store.load_chunks(id, 1, 0, 0)->empty());
  engine.crash();
  engine.start();
  say();
  CHECK(last().sequence == 3);
  CHECK(last().timestamp > second.timestamp);

  const auto read = engine.store.chunks_read();
  engine.crash();
  engine.start();
  say();
  CHECK(engine.store.chunks_read() == read);
  CHECK(last().sequence == 4);
}

TEST_CASE("a piece of output that is too large is an error of the step", "[output]") {
  Engine engine;
  engine.add({.name = "Talk", .run = [](Running& r, const Event*) { r.output_chunk(std::string((16U << 20) + 1, 'x')); }});
  const PlanRecord plan = engine.run("Talk");
  CHECK(shown(plan) == "paused/error");
  CHECK(step_of(plan, 2).error->message == "a piece of output has at most 16777216 bytes");
  CHECK(engine.store.load_chunks(plan.id, 1, 0, 0)->empty());
}

TEST_CASE("only an empty result of the output itself takes the chunks", "[output]") {
  Engine engine;
  engine.add({.name = "Talk", .run = [](Running& r, const Event*) {
                r.output()["nested"]["result"] = Json::array();
                r.output()["text"] = "\\\",\"result\":[]";
                r.world().append_output(r.plan_id(), r.action_id(), {chunk("a", r.world().clock().now())});
              }});
  const std::string id = engine.run("Talk").id;
  CHECK(output_document(*engine.world, id, 1).value() ==
        R"({"nested":{"result":[]},"text":"\\\",\"result\":[]"})");
}

TEST_CASE("present changes what is shown and not what is stored", "[output][M04]") {
  Engine engine;
  engine.add({.name = "Masked", .run = [](Running& r, const Event*) { r.output()["pin"] = 1234; },
              .present = [](Presenting& shown) { shown.input()["token"] = "***", shown.output()["pin"] = "***"; }});
  const PlanRecord plan = engine.run("Masked", Json{{"token", "abc"}});
  const std::string document = status_document(*engine.world, plan.id).value();
  CHECK(document.find(R"("input":{"token":"***"},"output":{"pin":"***"})") != std::string::npos);
  CHECK(plan.actions[0].input == R"({"token":"abc"})");
  CHECK(status_document(*engine.world, "nobody").error().code() == Code::kNotFound);
}

}  // namespace
}  // namespace dynflow::engine
