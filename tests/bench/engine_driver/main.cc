// The engine alone, measured: engine_driver WHAT COUNT [DATABASE]      DATABASE: a file, or postgresql://...; none: memory
//
//   tasks      COUNT no-op plans in launches of 100: planned, run, their results durable
//   alone      COUNT no-op plans one after the other: a line before the last has alone_ms and
//              alone_p99_ms, median and 99th percentile of the time from the launch to the end in the store
//   events     COUNT times event -> run -> suspend on one plan
//   parallel   one plan with COUNT no-op steps beside each other
//   output     COUNT lines on one task, 100 at a time, all durable
//   suspended  COUNT plans that wait for an event: what each holds in memory
//   queued     COUNT plans that wait for a place in memory: the same
//   boot       a world takes up COUNT plans that wait for an event, left by one that is gone; all resident and stored
//   clean      COUNT rows of plans that ended, removed by the cleaner's statement
//
// Prints "begun" when all is made ready, and in the end one JSON object: count, seconds, cpu_seconds, memory_kib (resident, grown since the start).
#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "shared/engine/world.h"
#include "shared/json/json.h"
#include "shared/persistence/postgres/postgres_store.h"
#include "shared/persistence/sqlite/sqlite_store.h"

namespace dynflow::bench {
namespace {

using persistence::PlanState;

constexpr std::int64_t kLaunch = 100;
constexpr std::int64_t kLinesAtOnce = 100;
constexpr std::size_t kPlaces = 100;  // where plans are to wait for one
constexpr std::string_view kNext = "Bench::Next";

void check(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message());
}

template <class T>
T check(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

class Noop final : public engine::Action {
  void run(engine::Running& running, const engine::Event*) override { running.output()["exit_status"] = 0; }
};

class Parallel final : public engine::Action {
  void plan(engine::Planning& planning, Json args) override {
    const std::int64_t steps = json::get_int(args, "steps", 0);
    planning.concurrence([&] {
      for (std::int64_t i = 0; i < steps; ++i) planning.plan_action("Noop", Json::object());
    });
  }
};

// Sends itself an event as often as input["rounds"] says.
class Rounds final : public engine::Action {
  void run(engine::Running& running, const engine::Event* event) override {
    const std::int64_t done = json::get_int(running.output(), "done", 0) + (event != nullptr ? 1 : 0);
    running.output()["done"] = done;
    if (done == json::get_int(running.input(), "rounds", 0)) return;
    running.suspend().send({std::string(kNext), nullptr});
  }
};

class Wait final : public engine::Action {
  void run(engine::Running& running, const engine::Event* event) override {
    if (event == nullptr) running.suspend();
  }
};

// What a measurement works with.
class Bench {
 public:
  Bench(const std::string& database, std::size_t max_resident_plans) {
    persistence::StoreOptions options;
    options.database = database;
    const bool has_server = database.starts_with("postgresql://");
    store_ = check(has_server ? persistence::open_postgres_store(options) : persistence::open_sqlite_store(options));
    check(store_->start());
    add<Noop>("Noop", true, false);
    add<Parallel>("Parallel", false, false);
    add<Rounds>("Rounds", true, true);
    add<Wait>("Wait", true, true);
    engine::WorldOptions world;
    world.store = store_.get();
    world.registry = &registry_;
    world.scheduler = scheduler_.get();
    world.max_resident_plans = max_resident_plans;
    world_ = std::make_unique<engine::World>(world);
  }
  void start() { check(world_->start()); }
  ~Bench() {
    world_->stop(Deadline::after(std::chrono::seconds(5)));
    scheduler_->stop();
    world_.reset();
    store_->stop();
  }

  engine::World& world() { return *world_; }
  persistence::Store& store() { return *store_; }

  // The id of the first.
  std::string trigger(const std::string& action_class, const Json& args, std::int64_t count) {
    std::vector<engine::PlanRequest> requests(static_cast<std::size_t>(count));
    for (engine::PlanRequest& request : requests) {
      request.action_class = action_class;
      request.args = args;
    }
    return check(world_->trigger(std::move(requests))).front().plan_id;
  }

  void wait_for(PlanState state, std::int64_t count) {
    while (check(store_->count_plans(state)) < count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

 private:
  template <class A>
  void add(std::string name, bool has_run, bool takes_events) {
    engine::ActionClass described;
    described.name = std::move(name);
    described.has_run = has_run;
    described.takes_events = takes_events;
    described.is_pure = !takes_events;
    described.make = [] { return std::make_unique<A>(); };
    check(registry_.add(std::move(described)));
  }

  std::unique_ptr<persistence::Store> store_;
  engine::ActionRegistry registry_;
  std::unique_ptr<engine::Scheduler> scheduler_ = engine::make_thread_scheduler(2);
  std::unique_ptr<engine::World> world_;
};

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::int64_t memory_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoll(line.substr(6));
  }
  return 0;
}

void tasks(Bench& bench, std::int64_t count) {
  for (std::int64_t launched = 0; launched < count; launched += kLaunch) bench.trigger("Noop", Json::object(), kLaunch);
  bench.wait_for(PlanState::kStopped, count);
}

void alone(Bench& bench, std::int64_t count) {
  const std::int64_t before = check(bench.store().count_plans(PlanState::kStopped));
  std::vector<double> times;
  for (std::int64_t i = 1; i <= count; ++i) {
    const auto began = std::chrono::steady_clock::now();
    bench.trigger("Noop", Json::object(), 1);
    while (check(bench.store().count_plans(PlanState::kStopped)) < before + i) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count());
  }
  std::sort(times.begin(), times.end());
  fmt::print(R"({{"alone_ms":{:.2f},"alone_p99_ms":{:.2f}}})"
             "\n",
             times[times.size() / 2], times[std::min(times.size() - 1, times.size() * 99 / 100)]);
}

void events(Bench& bench, std::int64_t count) {
  bench.trigger("Rounds", Json{{"rounds", count}}, 1);
  bench.wait_for(PlanState::kStopped, 1);
}

void parallel(Bench& bench, std::int64_t count) {
  bench.trigger("Parallel", Json{{"steps", count}}, 1);
  bench.wait_for(PlanState::kStopped, 1);
}

void output(Bench& bench, std::int64_t count) {
  const std::string plan = bench.trigger("Wait", Json::object(), 1);
  bench.wait_for(PlanState::kRunning, 1);
  for (std::int64_t written = 0; written < count; written += kLinesAtOnce) {
    std::vector<persistence::OutputChunk> chunks(kLinesAtOnce);
    for (persistence::OutputChunk& chunk : chunks) {
      chunk.output_type = "stdout";
      chunk.output = fmt::format("line {} of what a program says while it works\n", written);
      chunk.timestamp = bench.world().clock().now();
    }
    bench.world().append_output(plan, 1, std::move(chunks));
  }
  std::atomic<bool> is_durable{false};
  bench.world().flush_output(plan, [&](Status status) {
    check(status);
    is_durable = true;
    is_durable.notify_all();
  });
  is_durable.wait(false);
  bench.world().send(plan, 2, {std::string(kNext), nullptr});
  bench.wait_for(PlanState::kStopped, 1);
}

void suspended(Bench& bench, std::int64_t count) {
  for (std::int64_t launched = 0; launched < count; launched += kLaunch) bench.trigger("Wait", Json::object(), kLaunch);
  bench.wait_for(PlanState::kRunning, count);
}

void queued(Bench& bench, std::int64_t count) {
  for (std::int64_t launched = 0; launched < count; launched += kLaunch) bench.trigger("Wait", Json::object(), kLaunch);
  bench.wait_for(PlanState::kPlanned, count - static_cast<std::int64_t>(kPlaces));
}

void boot(Bench& bench, std::int64_t count) {
  bench.start();
  while (bench.world().resident_plans() < static_cast<std::size_t>(count)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  bench.world().wait_until_idle(Deadline::after(std::chrono::minutes(10)));
}

constexpr std::int64_t kRowsOfPlan = 5;  // plan, action, two steps, one piece of output

// Plans with an action, two steps and one piece of output each.
void fill(Bench& bench, std::int64_t count, const std::function<persistence::PlanRecord()>& make) {
  for (std::int64_t made = 0; made < count; made += kLaunch) {
    persistence::WriteBatch batch;
    for (std::int64_t i = 0; i < kLaunch; ++i) {
      persistence::PlanRecord plan = make();
      persistence::OutputChunk chunk;
      chunk.sequence = 1;
      chunk.output_type = "stdout";
      chunk.output = "done\n";
      const std::string id = plan.id;
      batch.add(persistence::WriteBatch::InsertPlan{std::move(plan)});
      batch.add(persistence::WriteBatch::AppendChunks{id, 1, {std::move(chunk)}});
    }
    check(bench.store().commit(std::move(batch)));
  }
}

persistence::PlanRecord plan_of(const std::string& action_class, PlanState state, persistence::StepState run_state) {
  persistence::PlanRecord plan;
  plan.id = system_ids().uuid();
  plan.label = action_class;
  plan.state = state;
  plan.root_plan_step_id = 1;
  plan.run_flow = R"(["S",2])";
  persistence::StepRecord step;
  step.id = step.action_id = 1;
  step.state = persistence::StepState::kSuccess;
  step.action_class = action_class;
  plan.steps.push_back(step);
  step.id = 2;
  step.phase = persistence::StepPhase::kRun;
  step.state = run_state;
  step.queue = "default";
  plan.steps.push_back(step);
  persistence::ActionRecord action;
  action.id = action.plan_step_id = 1;
  action.run_step_id = 2;
  action.action_class = action_class;
  plan.actions.push_back(std::move(action));
  return plan;
}

persistence::PlanRecord ended_plan() {
  persistence::PlanRecord plan = plan_of("Noop", PlanState::kStopped, persistence::StepState::kSuccess);
  plan.result = persistence::PlanResult::kSuccess;
  plan.started_at = plan.ended_at = system_clock().now() - std::chrono::hours(1);
  plan.actions.front().output = R"({"exit_status":0})";
  return plan;
}

persistence::PlanRecord left_plan() {
  persistence::PlanRecord plan = plan_of("Wait", PlanState::kRunning, persistence::StepState::kSuspended);
  plan.started_at = system_clock().now() - std::chrono::hours(1);
  plan.history.push_back({0, "start execution", "gone"});
  plan.owner = "gone";
  return plan;
}

void clean(Bench& bench, std::int64_t) {
  constexpr std::size_t kAtOnce = 500;  // as the cleaner does
  while (check(bench.store().clean(bench.world().clock().now(), kAtOnce)) == kAtOnce) {
  }
}

using Measured = std::function<void(Bench&, std::int64_t)>;

int run(const std::string& what, std::int64_t count, const std::string& database) {
  const std::map<std::string, Measured> known = {{"tasks", tasks},   {"events", events},       {"parallel", parallel},
                                                 {"output", output}, {"suspended", suspended}, {"clean", clean},
                                                 {"alone", alone},   {"queued", queued},       {"boot", boot}};
  const auto found = known.find(what);
  if (found == known.end()) throw std::runtime_error("unknown: " + what);
  const std::size_t all = std::max<std::size_t>(static_cast<std::size_t>(count), engine::WorldOptions().max_resident_plans);
  Bench bench(database, what == "queued" ? kPlaces : all);
  if (what == "clean") fill(bench, count / kRowsOfPlan, ended_plan);
  if (what == "boot") fill(bench, count, left_plan);
  if (what != "boot") bench.start();
  fmt::print("begun\n");
  std::fflush(stdout);
  const auto memory_before = memory_kib();
  const double cpu_before = cpu_seconds();
  const auto began = std::chrono::steady_clock::now();
  found->second(bench, count);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  fmt::print(R"({{"count":{},"seconds":{:.6f},"cpu_seconds":{:.6f},"memory_kib":{}}})"
             "\n",
             count, took.count(), cpu_seconds() - cpu_before, memory_kib() - memory_before);
  std::fflush(stdout);
  return 0;
}

}  // namespace
}  // namespace dynflow::bench

int main(int argc, char** argv) {
  try {
    std::int64_t count = 0;
    const std::string number = argc > 2 ? argv[2] : "";
    std::from_chars(number.data(), number.data() + number.size(), count);
    if (argc < 3 || argc > 4 || count < 1) throw std::runtime_error("usage: engine_driver WHAT COUNT [DATABASE]");
    return dynflow::bench::run(argv[1], count, argc > 3 ? argv[3] : "");
  } catch (const std::exception& e) {
    fmt::print(stderr, "engine_driver: {}\n", e.what());
    return 1;
  }
}
