// The engine on real threads over the real store in memory.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <thread>

#include "shared/persistence/sqlite/sqlite_store.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

class ThreadedWorld {
 public:
  explicit ThreadedWorld(std::string database = {}) {
    persistence::StoreOptions store_options;
    store_options.database = std::move(database);
    auto opened = persistence::open_sqlite_store(store_options);
    REQUIRE(opened.ok());
    store = std::move(*opened);
    REQUIRE(store->start().ok());
  }
  ~ThreadedWorld() {
    world.reset();
    scheduler->stop();
    store->stop();
  }
  void start() {
    WorldOptions options;
    options.store = store.get();
    options.registry = &registry;
    options.scheduler = scheduler.get();
    world = std::make_unique<World>(options);
    REQUIRE(world->start().ok());
  }
  void wait_until_idle() {
    const Deadline deadline = Deadline::after(std::chrono::minutes(2));
    while (world->active_plans() > 0 && !deadline.has_passed()) std::this_thread::yield();
    REQUIRE(world->active_plans() == 0);
  }

  ActionRegistry registry;
  std::unique_ptr<persistence::Store> store;
  std::unique_ptr<Scheduler> scheduler = make_thread_scheduler(2);
  std::unique_ptr<World> world;
};

std::vector<PlanRequest> requests(std::string name, int count) {
  std::vector<PlanRequest> list(static_cast<std::size_t>(count));
  for (PlanRequest& request : list) request.action_class = name;
  return list;
}

TEST_CASE("many plans at once come to their ends", "[threads]") {
  ThreadedWorld threaded;
  std::atomic<int> runs{0};
  REQUIRE(threaded.registry.add(to_class({.name = "Count", .run = [&](Running&, const Event*) { ++runs; }})).ok());
  threaded.start();
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      for (int j = 0; j < 5; ++j) {
        while (!threaded.world->trigger(requests("Count", 500)).ok()) std::this_thread::yield();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  threaded.wait_until_idle();
  CHECK(runs == 10'000);
  CHECK(threaded.store->count_plans(PlanState::kStopped).value() == 10'000);
}

TEST_CASE("events, cancels, output and reads from many threads", "[threads]") {
  ThreadedWorld threaded;
  REQUIRE(threaded.registry
              .add(to_class({.name = "Listen",
                             .run =
                                 [](Running& r, const Event* event) {
                                   r.output()["result"] = Json::array();
                                   r.output()["count"] = json::get_int(r.output(), "count", 0) + 1;
                                   if (!event || event->name != kCancel) r.suspend();
                                 },
                             .takes_events = true,
                             .is_cancellable = true}))
              .ok());
  threaded.start();
  const auto planned = threaded.world->trigger(requests("Listen", 20));
  REQUIRE(planned.ok());
  std::vector<std::thread> senders;
  for (int i = 0; i < 3; ++i) {
    senders.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        for (const Planned& plan : *planned) {
          threaded.world->send(plan.plan_id, 2, {"nudge", {}});
          threaded.world->append_output(plan.plan_id, 1, {{0, "stdout", "line\n", system_clock().now(), {}}});
          if (round % 10 == 0) (void)status_document(*threaded.world, plan.plan_id);
        }
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  for (const Planned& plan : *planned) {
    CHECK(threaded.world->cancel(plan.plan_id).value() == 1);
  }
  threaded.wait_until_idle();
  for (const Planned& plan : *planned) {
    CHECK(shown(threaded.world->find_plan(plan.plan_id).value()) == "stopped/success");
    CHECK(threaded.store->load_chunks(plan.plan_id, 1).value().size() == 150);
  }
}

TEST_CASE("of two launches with one id at the same time the later one finds the plan stored", "[threads]") {
  ThreadedWorld threaded;
  std::atomic<int> runs{0};
  REQUIRE(threaded.registry.add(to_class({.name = "Count", .run = [&](Running&, const Event*) { ++runs; }})).ok());
  threaded.start();
  std::atomic<int> conflicts_without_plan{0};
  std::atomic<int> launched{0};
  for (int i = 0; i < 100; ++i) {
    const std::string id = "plan-" + std::to_string(i);
    std::vector<std::thread> clients;
    for (int j = 0; j < 3; ++j) {
      clients.emplace_back([&] {
        std::vector<PlanRequest> list = requests("Count", 1);
        list.front().plan_id = id;
        const auto planned = threaded.world->trigger(std::move(list));
        if (planned.ok()) ++launched;
        const auto known = threaded.store->load_identities({id});
        if (!known.ok() || known->empty()) ++conflicts_without_plan;
      });
    }
    for (std::thread& client : clients) client.join();
  }
  threaded.wait_until_idle();
  CHECK(launched == 100);
  CHECK(runs == 100);
  CHECK(conflicts_without_plan == 0);
}

TEST_CASE("a world ends while its plans are at work", "[threads]") {
  ThreadedWorld threaded;
  REQUIRE(threaded.registry.add(to_class({.name = "Count", .run = [](Running&, const Event*) {}})).ok());
  threaded.start();
  REQUIRE(threaded.world->trigger(requests("Count", 2000)).ok());
  threaded.world->stop(Deadline::after(std::chrono::seconds(30)));
  threaded.world.reset();
  threaded.start();  // the first portion of them is taken up here, the others follow
  const Deadline deadline = Deadline::after(std::chrono::minutes(2));
  while (!threaded.store->load_unfinished()->empty() && !deadline.has_passed()) std::this_thread::yield();
  CHECK(threaded.store->count_plans(PlanState::kStopped).value() == 2000);
  for (const auto state : {PlanState::kPaused, PlanState::kRunning}) CHECK(threaded.store->count_plans(state).value() == 0);
}

TEST_CASE("a world that ends lets a running step end, and keeps its plan for the next", "[threads][W17]") {
  ThreadedWorld threaded;
  std::atomic<bool> has_begun{false};
  std::atomic<bool> may_end{false};
  std::atomic<int> runs{0};
  REQUIRE(threaded.registry
              .add(to_class({.name = "Long",
                             .run =
                                 [&](Running& running, const Event*) {
                                   ++runs;
                                   has_begun = true;
                                   while (!may_end) std::this_thread::yield();
                                   running.output()["done"] = true;
                                 },
                             .finalize = [](Finalizing&) {}}))
              .ok());
  threaded.start();
  const auto planned = threaded.world->trigger(requests("Long", 1));
  REQUIRE(planned.ok());
  const std::string id = planned->front().plan_id;
  while (!has_begun) std::this_thread::yield();
  std::thread stopping([&] { threaded.world->stop(Deadline::after(std::chrono::seconds(30))); });
  may_end = true;
  stopping.join();
  auto stored = threaded.store->load_plan(id);
  REQUIRE(stored.ok());
  CHECK(stored->steps[1].state == StepState::kSuccess);
  CHECK(stored->actions.front().output == R"({"done":true})");
  threaded.world.reset();
  threaded.start();
  threaded.wait_until_idle();
  CHECK(threaded.store->load_plan(id)->result == PlanResult::kSuccess);
  CHECK(runs == 1);
}

// engine_test "[.bench]": plans of two steps, as a no-op task with its callback has them.
TEST_CASE("no-op plans in a second", "[.bench]") {
  const std::string file = "/tmp/dynflow-engine-bench-" + random_hex(8);
  for (const std::string& database : {std::string(), file}) {
    ThreadedWorld threaded(database);
    const auto add = [&](std::string name, bool is_pure) {
      REQUIRE(threaded.registry
                  .add(to_class({.name = name, .run = [](Running& r, const Event*) { r.output()["a"] = 1; }, .is_pure = is_pure}))
                  .ok());
    };
    add("Pure", true);
    add("Outside", false);
    for (const char* first : {"Pure", "Outside"}) {
      const std::string name = std::string("Plan") + first;
      REQUIRE(threaded.registry
                  .add(to_class({.name = name, .plan = [first](Planning& p, Json) {
                                   p.sequence([&] { p.plan_action(first, {{"x", 1}}), p.plan_action("Pure", {{"y", 2}}); });
                                 }}))
                  .ok());
    }
    threaded.start();
    for (const char* name : {"PlanPure", "PlanOutside"}) {
      constexpr int kPlans = 20'000;
      const auto began = std::chrono::steady_clock::now();
      const std::clock_t cpu = std::clock();
      for (int i = 0; i < kPlans / 100; ++i) {
        while (!threaded.world->trigger(requests(name, 100)).ok()) std::this_thread::yield();
      }
      threaded.wait_until_idle();
      const double took = to_seconds(std::chrono::steady_clock::now() - began);
      const double cpu_us = 1e6 * static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC / kPlans;
      std::printf("%-6s %-11s %8.1f us CPU a plan %8.0f plans/s\n", database.empty() ? "memory" : "file", name, cpu_us,
                  kPlans / took);
    }
  }
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) std::remove((file + suffix).c_str());
}

TEST_CASE("timers from many threads fire, each once, in the order of their times", "[threads][V13]") {
  constexpr int kThreads = 4;
  constexpr int kEach = 20;
  const auto scheduler = make_thread_scheduler(1);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Instant> fired;
  const Instant start = system_clock().instant();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        // Far enough for all to be set before the first is due; in an order that has nothing to do with that of setting.
        const Instant when = start + std::chrono::seconds(1) + std::chrono::microseconds((i * 7919 + t * 104729) % 50'000);
        scheduler->post_at(when, [&, when] {
          const std::lock_guard lock(mutex);
          fired.push_back(when);
          changed.notify_all();
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const bool were_all_set = system_clock().instant() < start + std::chrono::seconds(1);
  std::unique_lock lock(mutex);
  REQUIRE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return fired.size() == kThreads * kEach; }));
  CHECK(system_clock().instant() >= fired.back());
  if (were_all_set) CHECK(std::is_sorted(fired.begin(), fired.end()));
  lock.unlock();
  scheduler->stop();
  CHECK(fired.size() == kThreads * kEach);
}

TEST_CASE("a timer fires though nothing else is going on", "[threads]") {
  const auto scheduler = make_thread_scheduler(1);
  std::mutex mutex;
  std::condition_variable changed;
  int fired = 0;
  for (int expected = 1; expected <= 3; ++expected) {
    scheduler->post_at(system_clock().instant() + std::chrono::milliseconds(1), [&] {
      const std::lock_guard lock(mutex);
      ++fired;
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return fired == expected; }));
  }
  scheduler->stop();
}

}  // namespace
}  // namespace dynflow::engine
