#include "shared/engine/polling.h"

#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What happens outside, and what the action under test is told to do.
struct Outside {
  int invoked = 0;
  int polled = 0;
  int step = 10;              // progress of one poll, in percent
  int failing_polls = 0;      // the next ones fail
  bool fails_to_start = false;
  bool goes_on_after_timeout = false;
  Duration timeout{};
  double weight = 1;
  std::vector<Duration> intervals;
  int per_interval = 5;
  std::vector<Instant> times;
  std::function<void(Running&)> on_cancel = nullptr;
  const Clock* clock = nullptr;
};

class Poller final : public Polling {
 public:
  explicit Poller(Outside& outside) : outside_(outside) {}
  Progress run_progress(const Json&, const Json& output) const override {
    const Json* task = json::find(output, "task");
    return {task == nullptr ? 0 : static_cast<double>(json::get_int(*task, "progress", 0)) / 100, outside_.weight};
  }

 protected:
  Json invoke_external_task(Running& running) override {
    if (outside_.fails_to_start) throw ActionError("RuntimeError", "cannot start");
    ++outside_.invoked;
    if (outside_.timeout > Duration::zero()) schedule_timeout(running, outside_.timeout);
    return Json{{"progress", 0}};
  }
  Json poll_external_task(Running& running) override {
    outside_.times.push_back(outside_.clock->instant());
    if (outside_.failing_polls > 0) {
      --outside_.failing_polls;
      throw ActionError("RuntimeError", "no answer");
    }
    ++outside_.polled;
    return Json{{"progress", running.output().at("task").at("progress").get<int>() + outside_.step}};
  }
  bool is_done(Running& running) override {
    return running.output().contains("cancelled") || running.output().at("task").at("progress").get<int>() >= 100;
  }
  void on_finish(Running& running) override { running.output()["finished"] = true; }
  void process_timeout(Running& running) override {
    if (!outside_.goes_on_after_timeout) Polling::process_timeout(running);
  }
  void cancel(Running& running, bool force) override {
    if (!outside_.on_cancel) return Polling::cancel(running, force);
    outside_.on_cancel(running);
  }
  std::vector<Duration> poll_intervals() const override {
    return outside_.intervals.empty() ? Polling::poll_intervals() : outside_.intervals;
  }
  int poll_attempts_per_interval() const override { return outside_.per_interval; }

 private:
  Outside& outside_;
};

struct Bench {
  Bench() {
    outside.clock = &engine.clock;
    REQUIRE(engine.registry.add(polling_class("Poller", [this] { return std::make_unique<Poller>(outside); })).ok());
  }
  Outside outside;
  Engine engine;
};

TEST_CASE("an external task is started once and polled until it is done", "[V08][E09]") {
  Bench bench;
  const std::string id = bench.engine.run("Poller").id;
  CHECK(bench.outside.invoked == 1);
  CHECK(bench.outside.polled == 0);
  CHECK(bench.engine.scheduler->timers() == 1);
  bench.engine.scheduler->run_to_the_end();
  const PlanRecord plan = bench.engine.settle(id);
  CHECK(shown(plan) == "stopped/success");
  CHECK(bench.outside.invoked == 1);
  CHECK(bench.outside.polled == 10);
  CHECK(bench.engine.scheduler->timers() == 0);
  CHECK(output_of(plan) == Json{{"poll_attempts", {{"total", 10}, {"failed", 0}}}, {"task", {{"progress", 100}}}, {"finished", true}});
  REQUIRE(plan.started_at);
  REQUIRE(plan.ended_at);
  CHECK(plan.execution_time < plan.real_time);
  double sum = 0;
  for (const StepRecord& step : plan.steps) sum += step.execution_time;
  CHECK(plan.execution_time == sum);
  CHECK(step_of(plan, 1).execution_time == step_of(plan, 1).real_time);
}

TEST_CASE("a poller that is run again asks after the task it has", "[V09]") {
  Bench bench;
  const std::string id = bench.engine.run("Poller").id;
  bench.engine.scheduler->advance(milliseconds(500));
  CHECK(bench.outside.polled == 1);
  bench.engine.crash();
  bench.engine.start();
  bench.engine.settle(id);
  CHECK(bench.outside.invoked == 1);
  CHECK(bench.outside.polled == 2);
  // Where that fails for good, another is started.
  bench.outside.failing_polls = 3;
  for (int i = 0; i < 3; ++i) bench.engine.scheduler->advance(seconds(2));
  CHECK(shown(bench.engine.settle(id)) == "paused/error");
  bench.outside.failing_polls = 1;
  REQUIRE(bench.engine.world->resume(id).ok());
  const PlanRecord resumed = bench.engine.settle(id);
  CHECK(bench.outside.invoked == 2);
  CHECK(step_of(resumed, 2).progress_done == 0);
  bench.engine.scheduler->run_to_the_end();
  CHECK(shown(bench.engine.settle(id)) == "stopped/success");
}

TEST_CASE("failing polls are tolerated until three failed in a row", "[V10][E12]") {
  Bench bench;
  const std::string id = bench.engine.run("Poller").id;
  const auto failed = [&] { return output_of(bench.engine.settle(id)).at("poll_attempts").at("failed").get<int>(); };
  bench.outside.failing_polls = 2;
  bench.engine.scheduler->advance(milliseconds(500));
  CHECK(failed() == 1);
  bench.engine.scheduler->advance(milliseconds(500));
  CHECK(failed() == 2);
  bench.engine.scheduler->advance(milliseconds(500));
  CHECK(failed() == 0);
  CHECK(shown(bench.engine.settle(id)) == "running/pending");
  bench.outside.failing_polls = 3;
  for (int i = 0; i < 3; ++i) bench.engine.scheduler->advance(seconds(2));
  const PlanRecord paused = bench.engine.settle(id);
  CHECK(shown(paused) == "paused/error");
  CHECK(step_of(paused, 2).error->message == "no answer");
  REQUIRE(bench.engine.world->resume(id).ok());
  bench.engine.scheduler->run_to_the_end();
  CHECK(shown(bench.engine.settle(id)) == "stopped/success");
  CHECK(bench.outside.invoked == 1);
}

TEST_CASE("gaps between polls grow", "[V11]") {
  Bench bench;
  bench.outside.step = 20;
  SECTION("as told") {
    bench.outside.intervals = {seconds(1), seconds(2)};
    bench.outside.per_interval = 2;
    const Instant start = bench.engine.clock.instant();
    bench.engine.run("Poller");
    bench.engine.scheduler->run_to_the_end();
    std::vector<Duration> at;
    for (const Instant time : bench.outside.times) at.push_back(time - start);
    CHECK(at == std::vector<Duration>{seconds(1), seconds(2), seconds(4), seconds(6), seconds(8)});
  }
  SECTION("by themselves") {
    bench.outside.step = 3;
    const Instant start = bench.engine.clock.instant();
    bench.engine.run("Poller");
    bench.engine.scheduler->run_to_the_end();
    REQUIRE(bench.outside.times.size() == 34);
    CHECK(bench.outside.times[4] - start == milliseconds(2500));
    CHECK(bench.outside.times[5] - start == milliseconds(3500));
    CHECK(bench.outside.times[33] - bench.outside.times[32] == seconds(16));
  }
}

TEST_CASE("a timeout ends the action", "[V12]") {
  Bench bench;
  bench.outside.timeout = seconds(5);
  bench.outside.intervals = {seconds(2)};
  const std::string id = bench.engine.run("Poller").id;
  bench.engine.scheduler->advance(seconds(2));
  bench.engine.scheduler->advance(seconds(2));
  CHECK(bench.outside.polled == 2);
  CHECK(shown(bench.engine.settle(id)) == "running/pending");
  bench.engine.scheduler->advance(seconds(1));
  const PlanRecord plan = bench.engine.settle(id);
  CHECK(shown(plan) == "paused/error");
  CHECK(step_of(plan, 2).error->message == "Timeout exceeded.");
  CHECK(bench.outside.polled == 2);
}

TEST_CASE("a timeout that the action gets over leaves it polling, once", "[V12][Q18]") {
  Bench bench;
  bench.outside.timeout = seconds(5);
  bench.outside.goes_on_after_timeout = true;
  bench.outside.intervals = {seconds(2)};
  const std::string id = bench.engine.run("Poller").id;
  bench.engine.scheduler->run_to_the_end();
  CHECK(shown(bench.engine.settle(id)) == "stopped/success");
  CHECK(bench.outside.polled == 10);
}

TEST_CASE("progress is weighed", "[E10]") {
  Bench bench;
  bench.outside.step = 20;
  bench.outside.weight = 4;
  const std::string id = bench.engine.run("Poller").id;
  bench.engine.scheduler->advance(milliseconds(500));
  const PlanRecord plan = bench.engine.settle(id);
  CHECK(step_of(plan, 2).progress_done == 0.2);
  CHECK(step_of(plan, 2).progress_weight == 4);
}

TEST_CASE("a task that cannot be started is an error", "[E11]") {
  Bench bench;
  bench.outside.fails_to_start = true;
  const PlanRecord plan = bench.engine.run("Poller");
  CHECK(shown(plan) == "paused/error");
  CHECK(step_of(plan, 2).state == StepState::kError);
  CHECK(step_of(plan, 2).error->message == "cannot start");
}

TEST_CASE("an event planned for later runs the step again", "[E13][V01][V02]") {
  Engine engine;
  std::vector<std::string> seen;
  const auto pinged = [&](std::string name, Duration after) {
    engine.add({.name = std::move(name),
                .run =
                    [&seen, after](Running& r, const Event* event) {
                      seen.push_back(event ? event->name : "start");
                      if (event) return;
                      r.plan_event({"ping", Json()}, after);
                      r.suspend();
                    },
                .takes_events = true});
  };
  pinged("Later", milliseconds(500));
  pinged("AtOnce", Duration::zero());
  const std::string id = engine.run("Later").id;
  CHECK(shown(engine.settle(id)) == "running/pending");
  CHECK(step_of(engine.settle(id), 2).state == StepState::kSuspended);
  CHECK(engine.scheduler->timers() == 1);
  engine.scheduler->advance(milliseconds(500));
  CHECK(shown(engine.settle(id)) == "stopped/success");
  CHECK(engine.scheduler->timers() == 0);
  CHECK(shown(engine.run("AtOnce")) == "stopped/success");
  CHECK(engine.scheduler->timers() == 0);
  CHECK(seen == std::vector<std::string>{"start", "ping", "start", "ping"});
}

TEST_CASE("an action says what a cancel means", "[E14]") {
  Bench bench;
  const std::string id = bench.engine.run("Poller").id;
  bench.engine.scheduler->advance(milliseconds(500));
  SECTION("it ends well") {
    bench.outside.on_cancel = [](Running& r) { r.output()["cancelled"] = true; };
    CHECK(bench.engine.world->cancel(id).value() == 1);
    CHECK(shown(bench.engine.settle(id)) == "stopped/success");
    CHECK(output_of(bench.engine.settle(id)).at("cancelled") == true);
  }
  SECTION("it fails") {
    bench.outside.on_cancel = [](Running&) { throw ActionError("RuntimeError", "action cancelled"); };
    CHECK(bench.engine.world->cancel(id).value() == 1);
    const PlanRecord plan = bench.engine.settle(id);
    CHECK(shown(plan) == "paused/error");
    CHECK(step_of(plan, 2).error->message == "action cancelled");
    CHECK(step_of(plan, 2).progress_done == 0.1);
  }
  SECTION("nothing in particular") {
    CHECK(bench.engine.world->cancel(id).value() == 1);
    CHECK(step_of(bench.engine.settle(id), 2).error->exception_class == "NotImplementedError");
  }
}

}  // namespace
}  // namespace dynflow::engine
