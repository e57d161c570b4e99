// Random plans under random schedules, store failures and crashes: what is stored moves along the transition tables only, a step
// that is recorded as done never runs again, nothing is left over, and every plan comes to an end.

#include <map>
#include <random>
#include <set>

#include "shared/engine/states.h"
#include "tests/unit/shared/engine/fixture.h"

namespace dynflow::engine {
namespace {

// Batches hold several transitions: is `to` within reach of `from`?
template <class State, class Allowed>
bool is_reachable(State from, State to, const std::vector<State>& states, Allowed is_allowed) {
  std::vector<State> open{from};
  std::set<State> seen{from};
  while (!open.empty()) {
    const State at = open.back();
    open.pop_back();
    if (at == to) return true;
    for (const State next : states) {
      if (is_allowed(at, next) && seen.insert(next).second) open.push_back(next);
    }
  }
  return false;
}

std::vector<StepState> step_states(StepPhase phase) {
  std::vector<StepState> states;
  for (const auto& row : step_transitions()) {
    if (row.phase == phase) states.push_back(row.from);
  }
  return states;
}

class RandomWorld {
 public:
  explicit RandomWorld(std::uint64_t seed) : random_(seed), engine_(seed) {
    for (const RescueStrategy strategy : {RescueStrategy::kSkip, RescueStrategy::kFail, RescueStrategy::kPause}) {
      for (const bool is_pure : {false, true}) {
        engine_.add({.name = leaf_name(strategy, is_pure),
                     .run = [this](Running& r, const Event* event) { run(r, event); },
                     .finalize = [this](Finalizing&) { may_throw(20); },
                     .strategy = strategy,
                     .takes_events = true,
                     .is_cancellable = true,
                     .is_pure = is_pure});
      }
    }
    engine_.observers = {&callbacks_};
    engine_.add({.name = "Root", .plan = [this](Planning& p, Json) { plan(p, 3); }});
    engine_.start();
    engine_.scheduler->let_time_pass();
  }

  void play() {
    std::vector<std::string> ids;
    for (int i = 0; i < 3; ++i) {
      PlanRequest request;
      request.plan_id = "plan-" + std::to_string(i);
      request.action_class = "Root";
      REQUIRE(engine_.world->trigger({request}).ok());
      ids.push_back(request.plan_id);
    }
    for (int i = 0; i < 400; ++i) {
      const std::string& id = ids[pick(ids.size())];
      if (chance(3)) engine_.store.fail_next(static_cast<int>(pick(3)));
      if (chance(2)) engine_.scheduler->advance(std::chrono::seconds(6));
      if (chance(1)) crash();
      if (chance(1)) engine_.store.fence();
      if (i > 200 && chance(1)) check_status(engine_.world->halt(id));
      if (chance(10)) engine_.world->send(id, any_step(id), {"nudge", {}});
      if (chance(2)) check_status(engine_.world->send_durable(id, any_step(id), {"nudge", {}}));
      if (chance(2)) check_status(to_status(engine_.world->cancel(id)));
      if (chance(2)) check_status(engine_.world->resume(id));
      engine_.scheduler->run_one();
      check_batches();
    }
    is_calm_ = true;
    engine_.store.fail_next(0);
    for (const std::string& id : ids) finish(id);
    check_batches();
    CHECK(engine_.world->active_plans() == 0);
    for (const std::string& id : ids) CHECK(engine_.store.outbox().count("callback-" + id) == 1);
    engine_.store.wake();
    engine_.scheduler->run_ready();
    CHECK(engine_.store.events().empty());
  }

 private:
  static std::string leaf_name(RescueStrategy strategy, bool is_pure) {
    return "Leaf" + std::to_string(static_cast<int>(strategy)) + (is_pure ? "p" : "");
  }
  std::size_t pick(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_); }
  bool chance(std::size_t percent) { return pick(100) < percent; }
  int any_step(const std::string& id) { return static_cast<int>(pick(engine_.store.plans().at(id).steps.size())) + 1; }
  void may_throw(std::size_t percent) {
    if (!is_calm_ && chance(percent)) throw std::runtime_error("bad luck");
  }

  void plan(Planning& p, int depth) {
    for (std::size_t i = 0; i <= pick(3); ++i) {
      const std::size_t kind = depth == 0 ? 2 : pick(4);
      if (kind == 0) {
        p.sequence([&] { plan(p, depth - 1); });
      } else if (kind == 1) {
        p.concurrence([&] { plan(p, depth - 1); });
      } else {
        Json args = Json::object();
        if (last_ && last_->plan_id == p.plan_id() && chance(40)) args["uses"] = (*last_)["v"].to_json();
        last_ = p.plan_action(leaf_name(static_cast<RescueStrategy>(pick(3)), chance(40)), args);
      }
    }
  }

  void run(Running& r, const Event* event) {
    const auto key = std::pair(r.plan_id(), r.step_id());
    const StepState stored = engine_.store.plans().at(key.first).steps.at(static_cast<std::size_t>(key.second - 1)).state;
    CHECK(stored != StepState::kSuccess);
    CHECK(stored != StepState::kSkipped);
    CHECK_FALSE(is_inside_);  // one thread, and no run within a run
    is_inside_ = true;
    r.output()["v"] = 1;
    const bool is_skipping = event && event->name == kSkipEvent;
    is_inside_ = false;
    may_throw(20);
    if (!is_calm_ && !is_skipping && chance(40)) {
      r.suspend();
      if (chance(50)) r.plan_event({"nudge", {}}, std::chrono::seconds(pick(3)));
    }
  }

  void crash() {
    engine_.store.fail_next(0);
    engine_.crash();
    const auto before = engine_.store.plans();
    engine_.start();
    engine_.scheduler->run_ready();
    for (const auto& [id, plan] : before) check_recovery(plan, engine_.store.plans().at(id));
    engine_.scheduler->let_time_pass();
  }

  // What may have become of a plan that a crash left: the recovery table, and what runs on from there.
  static void check_recovery(const PlanRecord& before, const PlanRecord& after) {
    if (before.state == PlanState::kPaused || before.state == PlanState::kStopped) {
      PlanRecord same = after;
      same.owner = before.owner;
      CHECK(same == before);
      return;
    }
    CHECK((after.state == PlanState::kRunning || after.state == PlanState::kPaused || after.state == PlanState::kStopped));
    for (std::size_t i = 0; i < before.steps.size(); ++i) {
      const StepRecord& was = before.steps[i];
      const StepRecord& is = after.steps[i];
      const bool is_over = was.state == StepState::kSuccess || was.state == StepState::kSkipped;
      if (is_over && was.phase == StepPhase::kRun) CHECK(is.state == was.state);
      if (was.state == StepState::kRunning && was.phase == StepPhase::kRun && before.state == PlanState::kRunning) {
        CHECK((is.state == StepState::kError || is.state == StepState::kSkipping || is.state == StepState::kSkipped));
      }
    }
  }

  // What a callback to Foreman is: a row in the transaction that ends the plan.
  struct Callbacks final : PlanObserver {
    void plan_changed(const PlanRecord& plan, persistence::WriteBatch& batch) override {
      if (plan.state != PlanState::kStopped) return;
      persistence::OutboxRecord entry;
      entry.id = "callback-" + plan.id;
      entry.plan_id = plan.id;
      batch.add(persistence::WriteBatch::PutOutbox{std::move(entry)});
    }
  };

  template <class T>
  static Status to_status(const Result<T>& result) {
    return result.ok() ? Status() : Status(result.error());
  }

  // Any answer is fine; that there is one is what counts.
  static void check_status(const Status& status) {
    if (!status.ok()) CHECK(status.error().code() != Code::kTimeout);
  }

  void finish(const std::string& id) {
    for (int round = 0; round < 20; ++round) {
      engine_.scheduler->run_to_the_end();
      const PlanRecord plan = engine_.settle(id);
      if (plan.state == PlanState::kStopped) {
        CHECK(plan.result == result_of(plan.steps));
        const auto names = history_of(plan);
        if (std::count(names.begin(), names.end(), "halt") > 0) return;
        for (const StepRecord& step : plan.steps) {
          CHECK(step.state != StepState::kRunning);
          CHECK(step.state != StepState::kSuspended);
        }
        return;
      }
      if (plan.state == PlanState::kPaused) {
        check_status(engine_.world->resume(id));  // may hear now that the world was declared dead
      } else {
        for (const StepRecord& step : plan.steps) engine_.world->send(id, step.id, {"nudge", {}});
      }
    }
    FAIL("plan " << id << " does not end: " << status_document(*engine_.world, id).value());
  }

  void check_batches() {
    const auto& batches = engine_.store.committed();
    for (; checked_ < batches.size(); ++checked_) {
      for (const auto& change : batches[checked_].changes()) {
        if (const auto* insert = std::get_if<persistence::WriteBatch::InsertPlan>(&change)) {
          plans_[insert->plan.id] = insert->plan.state;
          for (const StepRecord& step : insert->plan.steps) steps_[{insert->plan.id, step.id}] = step.state;
        } else if (const auto* plan = std::get_if<persistence::WriteBatch::UpdatePlan>(&change)) {
          const PlanState from = std::exchange(plans_.at(plan->plan_id), plan->progress.state);
          CHECK(is_reachable(from, plan->progress.state,
                             {PlanState::kPlanned, PlanState::kRunning, PlanState::kPaused, PlanState::kStopped},
                             [](PlanState a, PlanState b) { return is_allowed(a, b); }));
        } else if (const auto* step = std::get_if<persistence::WriteBatch::UpdateStep>(&change)) {
          const StepPhase phase = step->step.phase;
          const StepState from = std::exchange(steps_.at({step->plan_id, step->step.id}), step->step.state);
          CHECK(is_reachable(from, step->step.state, step_states(phase),
                             [phase](StepState a, StepState b) { return is_allowed(phase, a, b); }));
        }
      }
    }
  }

  std::mt19937_64 random_;
  bool is_calm_ = false;  // nothing fails and nothing suspends any more
  bool is_inside_ = false;
  std::optional<OutputReference> last_;
  std::size_t checked_ = 0;
  std::map<std::string, PlanState> plans_;
  std::map<std::pair<std::string, int>, StepState> steps_;
  Callbacks callbacks_;
  Engine engine_;
};

TEST_CASE("random plans, schedules, failures and crashes", "[property]") {
  const std::uint64_t base = Catch::rngSeed();
  for (std::uint64_t seed = base; seed < base + 60; ++seed) {
    INFO("seed " << seed);
    RandomWorld(seed).play();
  }
}

// One plan with all that a plan can have, killed after each of its writes in turn.
TEST_CASE("a crash at any write leaves what the next world can go on with", "[property]") {
  for (const bool is_fenced : {false, true}) {
    for (std::size_t point = 1, last = 2; point < last; ++point) {
      INFO("write " << point << (is_fenced ? ", fenced" : ", crashed"));
      Engine engine;
      std::map<int, int> runs_of_recorded;
      const auto note = [&](const Running& r) {
        const auto& stored = engine.store.plans().at(r.plan_id()).steps.at(static_cast<std::size_t>(r.step_id() - 1));
        if (stored.state == StepState::kSuccess) ++runs_of_recorded[r.step_id()];
      };
      const auto work = [&](std::string name, bool is_pure) {
        engine.add({.name = std::move(name),
                    .run = [&note](Running& r, const Event*) { note(r); },
                    .finalize = [](Finalizing&) {},
                    .strategy = RescueStrategy::kSkip,
                    .is_pure = is_pure});
      };
      work("Work", false);
      work("Pure", true);
      engine.add({.name = "Timed",
                  .run =
                      [&](Running& r, const Event* event) {
                        note(r);
                        if (event) return;
                        r.suspend();
                        r.plan_event({"tick", {}}, std::chrono::seconds(5));
                      },
                  .strategy = RescueStrategy::kSkip,
                  .takes_events = true,
                  .rearms_timers = true});
      engine.add({.name = "All", .plan = [](Planning& p, Json) {
                    p.sequence([&] {
                      for (const char* name : {"Work", "Timed", "Pure", "Work"}) p.plan_action(name, Json::object());
                    });
                  }});
      const std::string id = engine.trigger("All");
      while (engine.store.committed().size() < point && engine.world->active_plans() > 0) {
        if (!engine.scheduler->run_one()) engine.scheduler->advance(std::chrono::seconds(5));
      }
      last = engine.store.plans().at(id).state == PlanState::kStopped ? point : point + 2;
      if (is_fenced) {
        engine.store.fence();
      } else {
        engine.crash();
        engine.start();
      }
      for (int i = 0; i < 10; ++i) {
        engine.scheduler->advance(std::chrono::seconds(5));
        engine.world->send(id, 5, {"tick", {}});
        engine.scheduler->run_ready();
      }
      const PlanRecord plan = engine.settle(id);
      CHECK(plan.state == PlanState::kStopped);
      CHECK((plan.result == PlanResult::kSuccess || plan.result == PlanResult::kWarning));
      CHECK(runs_of_recorded.empty());
      CHECK(engine.store.events().empty());
    }
  }
}

}  // namespace
}  // namespace dynflow::engine
