// Actions that do their work in other plans: counters, limits, failures, cancels and restarts.

#include "tests/unit/shared/engine/family.h"

namespace dynflow::engine {
namespace {

using std::chrono::seconds;

TEST_CASE("a parent waits for its children and counts them", "[B01][B02][P16][C01]") {
  Family family;
  const PlanRecord parent = family.run();
  CHECK(shown(parent) == "stopped/success");
  CHECK(family.counts() == Counts{2, 2, 2, 0, 0, 0});
  CHECK(family.asked.finished == 1);
  CHECK(output_of(parent).at("finished") == true);
  REQUIRE(family.children().size() == 2);
  for (const std::string& id : family.children()) {
    const PlanRecord child = family.engine.store.plans().at(id);
    CHECK(child.actions.front().caller_plan_id == parent.id);
    CHECK(child.actions.front().caller_action_id == 1);
    CHECK(shown(child) == "stopped/success");
  }
  // Only the parent is called by nobody, and it is no sub-plan of itself.
  CHECK(parent.actions.front().caller_plan_id.empty());
  CHECK(family.engine.store.load_sub_plans(parent.id)->size() == 2);
  // Told by events, each handled; no timers, no limits.
  CHECK(family.engine.store.events().empty());
  CHECK(family.engine.scheduler->timers() == 0);
  CHECK_FALSE(input_of(parent).contains("dynflow"));
}

TEST_CASE("a plan whose own actions do all the work has no sub-plans", "[P16]") {
  Family family;
  family.engine.add({.name = "Tree", .plan = [](Planning& p, Json) {
                       p.plan_action("Child", Json::object());
                       p.plan_action("Child", Json::object());
                     }});
  const PlanRecord plan = family.engine.run("Tree");
  CHECK(plan.actions.size() == 3);
  CHECK(family.engine.store.load_sub_plans(plan.id)->empty());
}

TEST_CASE("sub-plans become durable with the result of the run that makes them", "[subplans]") {
  Family family({.child = "Waiter"});
  family.run();
  int with_children = 0;
  for (const auto& batch : family.engine.store.committed()) {
    int inserted = 0;
    bool has_result = false;
    for (const auto& change : batch.changes()) {
      if (const auto* insert = std::get_if<persistence::WriteBatch::InsertPlan>(&change)) {
        inserted += insert->plan.id != family.id ? 1 : 0;
      }
      if (const auto* action = std::get_if<persistence::WriteBatch::UpdateAction>(&change)) {
        has_result |= action->plan_id == family.id && action->output.find("\"planned_count\":2") != std::string::npos;
      }
    }
    if (inserted == 0) continue;
    ++with_children;
    CHECK(inserted == 2);
    CHECK(has_result);
  }
  CHECK(with_children == 1);
}

TEST_CASE("a crash at any commit neither loses nor doubles children", "[subplans][Q15]") {
  for (std::size_t commits = 1;; ++commits) {
    Family family({.total = 5, .batch_size = 2});
    family.id = family.engine.trigger("Parent");
    while (family.engine.store.committed().size() < commits && family.engine.scheduler->run_one()) {
    }
    const bool was_cut = family.engine.store.committed().size() == commits;
    family.engine.crash();
    family.engine.auto_rescue = false;
    family.engine.start();
    family.engine.scheduler->run_ready();
    // Children that were running when the world died wait for a person; nothing else may be wrong.
    for (const std::string& child : family.children()) {
      if (family.engine.store.plans().at(child).state == PlanState::kPaused) family.resume(child);
    }
    if (family.settle().state == PlanState::kPaused) family.resume(family.id);
    INFO("after commit " << commits);
    CHECK(family.children().size() == 5);
    CHECK(shown(family.settle()) == "stopped/success");
    CHECK(family.counts() == Counts{5, 5, 5, 0, 0, 0});
    CHECK(family.engine.store.events().empty());
    std::set<std::int64_t> numbers;
    for (const std::string& child : family.children()) {
      numbers.insert(json::get_int(input_of(family.engine.store.plans().at(child)), "number", -1));
    }
    CHECK(numbers == std::set<std::int64_t>{0, 1, 2, 3, 4});
    if (!was_cut) break;
  }
}

TEST_CASE("a run that fails makes no sub-plans", "[subplans]") {
  Engine engine;
  engine.add({.name = "Child", .run = [](Running&, const Event*) {}});
  engine.add({.name = "Maker", .run = [](Running& r, const Event*) {
                PlanRequest request;
                request.plan_id = "chosen";
                request.action_class = "Child";
                std::vector<PlanRequest> requests;
                requests.push_back(request);
                const auto planned = r.plan_sub_plans(requests);
                REQUIRE(planned.ok());
                // Its id is taken at once.
                CHECK(r.plan_sub_plans(requests).error().code() == Code::kConflict);
                request.action_class = "Nothing";
                request.plan_id.clear();
                CHECK(r.plan_sub_plans({request}).error().code() == Code::kNotFound);
                CHECK(r.plan_sub_plans(std::vector<PlanRequest>(kMaxSubPlans + 1)).error().code() == Code::kInvalid);
                if (!r.input().contains("may")) throw ActionError("RuntimeError", "after all, no");
              }});
  CHECK(shown(engine.run("Maker")) == "paused/error");
  CHECK(engine.store.plans().count("chosen") == 0);
  CHECK(engine.world->active_plans() == 0);
  // The id is free again, and once it is stored it is not.
  CHECK(shown(engine.run("Maker", Json{{"may", true}})) == "stopped/success");
  CHECK(shown(engine.settle("chosen")) == "stopped/success");
  engine.add({.name = "Again", .run = [](Running& r, const Event*) {
                PlanRequest request;
                request.plan_id = "chosen";
                request.action_class = "Child";
                CHECK(r.plan_sub_plans({request}).error().code() == Code::kConflict);
              }});
  CHECK(shown(engine.run("Again")) == "stopped/success");
}

TEST_CASE("children that fail in their run make the parent fail", "[B03]") {
  Family family;
  family.engine.auto_rescue = false;
  family.running_fails = true;
  const PlanRecord parent = family.run();
  CHECK(shown(parent) == "paused/error");
  CHECK(family.counts() == Counts{2, 2, 0, 2, 0, 0});
  CHECK(step_of(parent, 2).error->message == "A sub task failed");
  CHECK(step_of(parent, 2).error->exception_class == "Dynflow::Action::WithSubPlans::SubtaskFailedException");
  CHECK(output_of(parent).at("paused_sub_plans").size() == 2);
}

TEST_CASE("children that could not be planned are made again at a resume", "[B04]") {
  Family family;
  family.planning_fails = true;
  CHECK(shown(family.run()) == "paused/error");
  CHECK(family.counts() == Counts{2, 2, 0, 2, 0, 0});
  CHECK(family.children().size() == 2);
  family.planning_fails = false;
  CHECK(shown(family.resume(family.id)) == "stopped/success");
  CHECK(family.counts() == Counts{2, 2, 2, 0, 0, 0});
  CHECK(output_of(family.settle()).at("resumed_count") == 2);
  CHECK(family.children().size() == 4);
}

TEST_CASE("an action may have its own idea of resuming", "[B04]") {
  struct Own final : WithSubPlans {
    std::vector<PlanRequest> create_sub_plans(Running&) override {
      PlanRequest request;
      request.action_class = "Child";
      return {request};
    }
    void resume(Running& running) override { running.output()["failed_count"] = 0; }
  };
  Family family;
  family.running_fails = true;
  REQUIRE(family.engine.registry.add(sub_plans_class("Own", [] { return std::make_unique<Own>(); })).ok());
  const std::string id = family.engine.run("Own").id;
  CHECK(shown(family.engine.settle(id)) == "paused/error");
  REQUIRE(family.engine.world->resume(id).ok());
  // Nothing has failed, says the action, and one is missing: it waits.
  CHECK(shown(family.engine.settle(id)) == "running/pending");
}

TEST_CASE("a parent resumed before its failed children fails again, after them it succeeds", "[B05]") {
  for (const bool children_first : {false, true}) {
    Family family;
    family.engine.auto_rescue = false;
    family.running_fails = true;
    family.run();
    family.running_fails = false;
    if (!children_first) {
      CHECK(shown(family.resume(family.id)) == "paused/error");
      CHECK(family.counts() == Counts{2, 2, 0, 2, 0, 0});
    }
    for (const std::string& child : family.children()) CHECK(shown(family.resume(child)) == "stopped/success");
    // What they became waits for the parent, also through a restart.
    CHECK(family.engine.store.events().size() == 2);
    family.engine.crash();
    family.engine.start();
    CHECK(shown(family.settle()) == "paused/error");
    CHECK(shown(family.resume(family.id)) == "stopped/success");
    CHECK(family.counts() == Counts{2, 2, 2, 0, 0, 0});
    CHECK_FALSE(output_of(family.settle()).contains("paused_sub_plans"));
    CHECK(family.engine.store.events().empty());
  }
}

TEST_CASE("a child that is resumed while the parent still waits changes its count", "[B05]") {
  Family family({.total = 1, .child = "Waiter"});
  family.engine.auto_rescue = false;
  family.options.total = 2;
  family.cancel_fails = true;
  family.run();
  family.end_one();
  CHECK(family.counts() == Counts{2, 2, 0, 1, 0, 1});
  const std::string paused = output_of(family.settle()).at("paused_sub_plans").at(0).get<std::string>();
  family.cancel_fails = false;
  family.resume(paused);
  family.engine.world->send(paused, 2, {"end", Json()});
  CHECK(family.counts() == Counts{2, 2, 1, 0, 0, 1});
  family.end_one();
  CHECK(family.counts() == Counts{2, 2, 2, 0, 0, 0});
  CHECK(shown(family.settle()) == "stopped/success");
}

TEST_CASE("a child that ends with a warning has failed, once", "[subplans][Q16]") {
  Family family({.child = "Skipped"});
  family.engine.add({.name = "Skipped",
                     .run = [](Running&, const Event*) { throw ActionError("RuntimeError", "never mind"); },
                     .strategy = RescueStrategy::kSkip});
  CHECK(shown(family.run()) == "paused/error");
  for (const std::string& child : family.children()) CHECK(shown(family.engine.settle(child)) == "stopped/warning");
  CHECK(family.counts() == Counts{2, 2, 0, 2, 0, 0});
  CHECK(shown(family.resume(family.id)) == "paused/error");
  CHECK(family.counts() == Counts{2, 2, 0, 2, 0, 0});
}

TEST_CASE("a cancelled parent cancels its children and waits for them", "[B06]") {
  for (const bool force : {false, true}) {
    Family family({.child = "Waiter"});
    family.run();
    REQUIRE(family.running.size() == 2);
    CHECK(family.engine.world->cancel(family.id, force).value() == 1);
    CHECK(shown(family.settle()) == "stopped/success");
    CHECK(family.seen == std::map<std::string, int>{{std::string(force ? kAbort : kCancel), 2}});
    CHECK(family.counts() == Counts{2, 2, 2, 0, 0, 0});
    CHECK(family.engine.store.events().empty());
  }
}

TEST_CASE("a parent cancelled again cancels again those that did not end", "[B06]") {
  Family family({.child = "Stubborn"});
  int cancels = 0;
  family.engine.add({.name = "Stubborn",
                     .run =
                         [&](Running& r, const Event* event) {
                           cancels += event != nullptr && event->name == kCancel ? 1 : 0;
                           if (cancels <= 2) r.suspend();
                         },
                     .takes_events = true,
                     .is_cancellable = true});
  family.run();
  CHECK(family.engine.world->cancel(family.id).value() == 1);
  CHECK(shown(family.settle()) == "running/pending");
  CHECK(cancels == 2);
  CHECK(family.engine.store.events().empty());
  CHECK(family.engine.world->cancel(family.id).value() == 1);
  CHECK(shown(family.settle()) == "stopped/success");
  CHECK(cancels == 4);
  CHECK(family.engine.store.events().empty());
}

TEST_CASE("children wait for a store that cannot be read, and fail nobody", "[subplans]") {
  struct Chosen final : WithSubPlans {
    std::vector<PlanRequest> create_sub_plans(Running&) override {
      PlanRequest request;
      request.plan_id = "chosen";
      request.action_class = "Child";
      return {request};
    }
  };
  Family family;
  REQUIRE(family.engine.registry.add(sub_plans_class("Chosen", [] { return std::make_unique<Chosen>(); })).ok());
  family.engine.store.fail_status_reads(true);
  const std::string id = family.engine.trigger("Chosen");
  family.engine.scheduler->run_ready();
  CHECK(shown(family.engine.store.plans().at(id)) == "running/pending");
  family.engine.store.fail_status_reads(false);
  family.engine.scheduler->advance(seconds(2));
  CHECK(shown(family.engine.settle("chosen")) == "stopped/success");
  CHECK(shown(family.engine.settle(id)) == "stopped/success");
}

TEST_CASE("a cancel reaches children that are not durable yet", "[B06]") {
  Family family({.child = "Waiter"});
  family.id = family.engine.trigger("Parent");
  // Until its first run is over, with the children on their way to the store.
  while (!output_of(*family.engine.world->find_plan(family.id)).contains("planned_count")) {
    REQUIRE(family.engine.scheduler->run_one());
  }
  CHECK(family.children().empty());
  CHECK(family.engine.world->cancel(family.id).value() == 1);
  CHECK(shown(family.settle()) == "stopped/success");
  CHECK(family.counts() == Counts{2, 2, 2, 0, 0, 0});
}

TEST_CASE("children that fail after a cancel count as cancelled, as those never made", "[subplans][Q11]") {
  Family family({.total = 5,
                 .child = "Waiter",
                 .limit = [](Json& input) { limit_concurrency_level(input, 2); }});
  family.cancel_fails = true;
  family.run();
  CHECK(family.engine.world->cancel(family.id).value() == 1);
  CHECK(shown(family.settle()) == "paused/error");
  CHECK(family.counts() == Counts{5, 2, 0, 0, 5, 0});
  CHECK(output_of(family.settle()).at("cancelled_timestamp") == "2026-01-01T00:00:00Z");
  CHECK(family.children().size() == 2);
  // Nothing more is made at a resume.
  CHECK(shown(family.resume(family.id)) == "paused/error");
  CHECK(family.children().size() == 2);
}

TEST_CASE("waiting for children needs no timer, and ends with the last of them", "[B07]") {
  Family family({.child = "Waiter"});
  family.run();
  CHECK(family.engine.scheduler->timers() == 0);
  family.end_one();
  CHECK(family.counts() == Counts{2, 2, 1, 0, 0, 1});
  family.engine.crash();
  family.engine.auto_rescue = false;
  family.engine.start();
  CHECK(family.counts() == Counts{2, 2, 1, 0, 0, 1});
  family.end_one();
  CHECK(shown(family.settle()) == "stopped/success");
  CHECK(family.counts() == Counts{2, 2, 2, 0, 0, 0});
}

TEST_CASE("a parent without children has some progress, and ends", "[B08]") {
  Family family({.total = 0});
  Parent parent(family.options, family.asked);
  CHECK(parent.run_progress(Json::object(), Json::object()).done == 0.1);
  CHECK(parent.run_progress(Json::object(), Json{{"total_count", 0}}).done == 0.1);
  CHECK(parent.run_progress(Json::object(), Json{{"total_count", 4}, {"success_count", 1}, {"failed_count", 1}}).done == 0.5);
  CHECK(shown(family.run()) == "stopped/success");
}

TEST_CASE("children are made in batches", "[B09][B10]") {
  using Batches = std::vector<std::pair<std::size_t, std::size_t>>;
  const Batches all{{0, 5}, {5, 5}, {10, 5}, {15, 5}};
  {
    Family family({.total = 20, .batch_size = 5});
    CHECK(shown(family.run()) == "stopped/success");
    CHECK(family.asked.batches == all);
    CHECK(family.asked.totals == 1);
    CHECK(family.counts() == Counts{20, 20, 20, 0, 0, 0});
  }
  {
    Family family({.total = 20, .batch_size = 5});
    family.planning_fails = true;
    CHECK(shown(family.run()) == "paused/error");
    CHECK(family.asked.batches == Batches{{0, 5}});
    family.asked.batches.clear();
    family.planning_fails = false;
    CHECK(shown(family.resume(family.id)) == "stopped/success");
    CHECK(family.asked.batches == all);
    CHECK(family.counts() == Counts{20, 20, 20, 0, 0, 0});
  }
}

TEST_CASE("what fits into a batch is made at once, the rest right after", "[B11][B12]") {
  using Batches = std::vector<std::pair<std::size_t, std::size_t>>;
  const std::vector<std::pair<std::size_t, Batches>> table = {{3, {{0, 3}}}, {7, {{0, 5}, {5, 2}}}};
  for (const auto& [total, batches] : table) {
    Family family({.total = total, .batch_size = 5, .child = "Waiter"});
    family.run();
    CHECK(family.asked.batches == batches);
    CHECK(family.running.size() == total);
    CHECK(family.engine.scheduler->timers() == 0);
    while (!family.running.empty()) {
      CHECK(shown(family.settle()) == "running/pending");
      family.end_one();
      family.engine.scheduler->run_ready();
    }
    CHECK(shown(family.settle()) == "stopped/success");
  }
}

TEST_CASE("when the engine is full the parent tries again later", "[subplans]") {
  Family family({.total = 3});
  family.id = family.engine.trigger("Parent");
  family.engine.store.set_congested(true);
  CHECK(shown(family.settle()) == "running/pending");
  CHECK(family.children().empty());
  family.engine.store.set_congested(false);
  family.engine.scheduler->advance(seconds(1));
  CHECK(shown(family.settle()) == "stopped/success");
  CHECK(family.children().size() == 3);
}

TEST_CASE("without anybody who listens, the end of a child writes no event", "[subplans]") {
  Engine engine;
  engine.add({.name = "Child", .run = [](Running&, const Event*) {}});
  engine.add({.name = "Plain", .run = [](Running& r, const Event*) {
                PlanRequest request;
                request.action_class = "Child";
                REQUIRE(r.plan_sub_plans({request}).ok());
              }});
  for (const bool has_listeners : {false, true}) {
    if (has_listeners) {
      ParentOptions options;
      Asked asked;
      REQUIRE(engine.registry.add(sub_plans_class("Parent", [] { return std::unique_ptr<Action>(); })).ok());
    }
    engine.run("Plain");
    for (const auto& batch : engine.store.committed()) {
      for (const auto& change : batch.changes()) CHECK_FALSE(std::holds_alternative<persistence::WriteBatch::PutEvent>(change));
    }
  }
}

}  // namespace
}  // namespace dynflow::engine
