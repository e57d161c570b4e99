// A parent whose children do as they are told.
#pragma once

#include <algorithm>
#include <map>
#include <set>

#include "shared/engine/sub_plans.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {

using Counts = std::vector<std::int64_t>;

struct ParentOptions {
  std::size_t total = 2;
  std::size_t batch_size = kMaxSubPlans;
  std::string child = "Child";
  std::function<void(Json&)> limit = nullptr;  // gets the input in plan()
};

// Counts what it is asked for.
struct Asked {
  std::vector<std::pair<std::size_t, std::size_t>> batches;  // from, size
  int totals = 0;
  int finished = 0;
};

class Parent final : public WithSubPlans {
 public:
  Parent(const ParentOptions& options, Asked& asked) : options_(options), asked_(asked) {}

  void plan(Planning& planning, Json args) override {
    planning.plan_self(std::move(args));
    if (options_.limit) options_.limit(planning.input());
  }

 protected:
  std::size_t total_count(Running&) override {
    ++asked_.totals;
    return options_.total;
  }
  std::vector<PlanRequest> batch(Running&, std::size_t from, std::size_t size) override {
    asked_.batches.emplace_back(from, size);
    std::vector<PlanRequest> requests(size);
    for (std::size_t i = 0; i < size; ++i) {
      requests[i].action_class = options_.child;
      requests[i].args = Json{{"number", from + i}};
    }
    return requests;
  }
  std::size_t batch_size() const override { return options_.batch_size; }
  void on_finish(Running& running) override {
    ++asked_.finished;
    running.output()["finished"] = true;
  }

 private:
  const ParentOptions& options_;
  Asked& asked_;
};

// A parent and children that do as they are told.
class Family {
 public:
  explicit Family(ParentOptions parent = {}) : options(std::move(parent)) {
    REQUIRE(engine.registry
                .add(sub_plans_class("Parent", [this] { return std::make_unique<Parent>(options, asked); }))
                .ok());
    engine.add({.name = "Child",
                .plan =
                    [this](Planning& p, Json args) {
                      if (planning_fails) throw ActionError("RuntimeError", "no plan");
                      p.plan_self(std::move(args));
                    },
                .run =
                    [this](Running&, const Event*) {
                      if (running_fails) throw ActionError("RuntimeError", "no luck");
                    }});
    // Runs until it is told to end, or cancelled; counts how many do so at the same time.
    engine.add({.name = "Waiter",
                .run =
                    [this](Running& r, const Event* event) {
                      if (event == nullptr) {
                        running.insert(r.plan_id());
                        most_at_once = std::max(most_at_once, running.size());
                        r.suspend();
                        return;
                      }
                      running.erase(r.plan_id());
                      seen[event->name] += 1;
                      if (cancel_fails) throw ActionError("RuntimeError", "action cancelled");
                    },
                .strategy = RescueStrategy::kFail,
                .takes_events = true,
                .is_cancellable = true});
  }

  PlanRecord run() {
    id = engine.trigger("Parent");
    return settle();
  }
  PlanRecord settle() { return engine.settle(id); }
  PlanRecord resume(const std::string& plan_id) {
    REQUIRE(engine.world->resume(plan_id).ok());
    return engine.settle(plan_id);
  }
  void end_one() { engine.world->send(*running.begin(), 2, {"end", Json()}); }
  std::vector<std::string> children() {
    std::vector<std::string> ids;
    for (const auto& [plan_id, plan] : engine.store.plans()) {
      if (plan_id != id) ids.push_back(plan_id);
    }
    return ids;
  }
  // total, planned, success, failed, cancelled, pending
  std::vector<std::int64_t> counts() {
    const Json output = output_of(settle());
    std::vector<std::int64_t> all;
    for (const char* name : {"total", "planned", "success", "failed", "cancelled", "pending"}) {
      all.push_back(json::get_int(output, std::string(name) + "_count", -1));
    }
    return all;
  }

  ParentOptions options;
  Asked asked;
  bool planning_fails = false;
  bool running_fails = false;
  bool cancel_fails = false;
  std::set<std::string> running;
  std::size_t most_at_once = 0;
  std::map<std::string, int> seen;
  std::string id;
  Engine engine;
};

}  // namespace dynflow::engine
