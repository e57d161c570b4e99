#include "shared/engine/queues.h"

#include <algorithm>

#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

using Names = std::vector<std::string>;

TEST_CASE("a queue hands its slots out in the order of asking", "[queues][E16]") {
  const auto queue = std::make_shared<Queue>(QueueOptions{"q", 2, 3});
  auto first = queue->take({});
  auto second = queue->take({});
  REQUIRE((first && second));
  CHECK(queue->status().free == 0);
  Names granted;
  std::vector<Queue::Slot> slots;
  const auto ask = [&](std::string plan, bool is_alive = true) {
    CHECK_FALSE(queue->take([&, plan, is_alive](const std::shared_ptr<Queue>& freed) {
      if (!is_alive) return false;
      granted.push_back(plan);
      slots.emplace_back(freed);
      return true;
    }));
  };
  ask("a"), ask("b", false);
  CHECK_FALSE(queue->is_full());
  ask("c");
  CHECK(queue->is_full());
  ask("a");
  CHECK(queue->status().waiting == 4);
  first.reset();
  CHECK(granted == Names{"a"});
  second.reset();
  CHECK(granted == Names{"a", "c"});
  CHECK(queue->status().waiting == 1);
  while (!slots.empty()) slots.erase(slots.begin());
  CHECK(granted == Names{"a", "c", "a"});
  CHECK(queue->status().free == 2);
  CHECK(queue->status().waiting == 0);
}

TEST_CASE("there is always a default queue; names are given once", "[queues][E16]") {
  const auto none = Queues::make({});
  REQUIRE(none.ok());
  CHECK(none->find("whatever").name() == "default");
  CHECK_FALSE(none->find("default").is_limited());
  const auto some = Queues::make({{"slow", 1, 0}, {"default", 7, 0}});
  REQUIRE(some.ok());
  CHECK(some->find("slow").name() == "slow");
  CHECK(some->find("other").name() == "default");
  REQUIRE(some->status().size() == 2);
  CHECK(some->status()[0].pool_size == 7);
  CHECK(Queues::make({{"slow", 1, 0}, {"slow", 2, 0}}).error().code() == Code::kConflict);

  Engine engine;
  WorldOptions options;
  options.store = &engine.store;
  options.registry = &engine.registry;
  options.scheduler = engine.scheduler.get();
  options.queues = {{"slow", 1, 0}, {"slow", 2, 0}};
  CHECK(World(options).start().error().code() == Code::kConflict);
}

ActionClass in_queue(Script script, std::string queue) {
  ActionClass made = to_class(std::move(script));
  made.queue = std::move(queue);
  return made;
}

TEST_CASE("steps have the queue of their class or of the one that planned them", "[queues]") {
  Engine engine;
  const auto both = [](std::string name) {
    return Script{.name = std::move(name), .run = [](Running&, const Event*) {}, .finalize = [](Finalizing&) {}};
  };
  engine.add(both("Plain"));
  engine.add(in_queue(both("Own"), "own"));
  engine.add({.name = "Middle", .plan = [](Planning& p, Json) { p.plan_action("Plain", {}); }});
  engine.add(in_queue({.name = "Root",
                       .plan = [](Planning& p, Json) {
                         p.plan_action("Plain", {}), p.plan_action("Own", {}), p.plan_action("Middle", {});
                       }},
                      "root"));
  const PlanRecord plan = engine.run("Root");
  Names queues;
  for (const StepRecord& step : plan.steps) queues.push_back(step.queue);
  // One level of inheritance only.
  CHECK(queues == Names{"", "", "root", "root", "", "own", "own", "", "", "default", "default"});
}

// Runs of "Slow" that begin and wait to be let go, as a thread would be held by them.
class Crowd : public Engine {
 public:
  Crowd(std::size_t pool_size, std::size_t max_waiting = 0) {
    options.queues = {{"slow", pool_size, max_waiting}};
    add(in_queue({.name = "Slow",
                  .run =
                      [this](Running& r, const Event*) {
                        at_work = world->queues()[1].pool_size - world->queues()[1].free;
                        most_at_work = std::max(most_at_work, at_work);
                        order.push_back(r.plan_id());
                        waiting.push_back(world->queues()[1].waiting);
                      },
                  .finalize = [](Finalizing&) {}},
                 "slow"));
  }
  std::vector<std::string> launch(int count) {
    std::vector<PlanRequest> requests(static_cast<std::size_t>(count));
    for (PlanRequest& request : requests) request.action_class = "Slow";
    if (!world) start();
    const auto planned = world->trigger(requests);
    REQUIRE(planned.ok());
    std::vector<std::string> launched;
    for (const Planned& each : *planned) launched.push_back(each.plan_id);
    return launched;
  }
  std::size_t at_work = 0;
  std::size_t most_at_work = 0;
  std::vector<std::string> order;
  std::vector<std::size_t> waiting;
};

TEST_CASE("no more steps of a queue are at work than it has slots", "[queues][E16]") {
  for (const std::size_t pool_size : {1U, 2U, 3U}) {
    Crowd engine(pool_size);
    const auto ids = engine.launch(20);
    engine.scheduler->run_ready();
    for (const std::string& id : ids) CHECK(shown(engine.settle(id)) == "stopped/success");
    CHECK(engine.most_at_work == pool_size);
    CHECK(*std::max_element(engine.waiting.begin(), engine.waiting.end()) > 0);
    CHECK(engine.world->queues()[1].free == pool_size);
    CHECK(engine.world->queues()[1].waiting == 0);
  }
}

TEST_CASE("a step that waits for its queue is stored as pending", "[queues]") {
  Crowd engine(1);
  const auto ids = engine.launch(2);
  while (engine.order.empty()) REQUIRE(engine.scheduler->run_one());
  const std::string other = engine.order.front() == ids[0] ? ids[1] : ids[0];
  CHECK(engine.store.plans().at(other).steps[1].state == StepState::kPending);
  engine.crash();
  engine.start();
  engine.settle(other);
  CHECK(shown(engine.settle(other)) == "stopped/success");
}

TEST_CASE("launches are refused while too many steps wait", "[queues]") {
  Crowd engine(1, 2);
  const auto ids = engine.launch(10);
  while (engine.order.empty()) REQUIRE(engine.scheduler->run_one());
  while (engine.world->queues()[1].waiting < 2) REQUIRE(engine.scheduler->run_one());
  PlanRequest request;
  request.action_class = "Slow";
  const auto refused = engine.world->trigger({request});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kBusy);
  engine.scheduler->run_ready();
  CHECK(engine.store.plans().size() == 10);
  CHECK(engine.world->trigger({request}).ok());
}

TEST_CASE("events wait for a slot too, and those of ended plans give theirs back", "[queues]") {
  Engine engine;
  engine.options.queues = {{"slow", 1, 0}};
  Names seen;
  engine.add(in_queue({.name = "Listen",
                       .run =
                           [&](Running& r, const Event* event) {
                             seen.push_back(event ? event->name : "start");
                             if (event && event->name == "fail") throw std::runtime_error("told to");
                             if (!event || event->name != "end") r.suspend();
                           },
                       .takes_events = true},
                      "slow"));
  engine.add({.name = "Two", .plan = [](Planning& p, Json) { p.plan_action("Listen", {}), p.plan_action("Listen", {}); }});
  const std::string id = engine.run("Two").id;
  CHECK(seen == Names{"start", "start"});
  CHECK(engine.world->queues()[1].free == 1);  // suspended steps hold none
  for (const int step : {3, 5}) {
    engine.world->send(id, step, {"a", {}});
    engine.world->send(id, step, {step == 3 ? "fail" : "end", {}});
  }
  CHECK(shown(engine.settle(id)) == "paused/error");
  CHECK(engine.world->queues()[1].free == 1);
  REQUIRE(engine.world->resume(id).ok());
  engine.settle(id);
  engine.world->send(id, 3, {"end", {}});
  CHECK(shown(engine.settle(id)) == "stopped/success");
}

}  // namespace
}  // namespace dynflow::engine
