// A world on real threads over a SQLite store in memory, with a few small actions. For tests of what stands on the engine.
//
// Threads: as World.
#pragma once

#include <catch2/catch.hpp>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "shared/engine/status_document.h"
#include "shared/engine/world.h"
#include "shared/json/json.h"
#include "shared/persistence/sqlite/sqlite_store.h"

namespace dynflow::test {

// An action made of functions.
class FunctionAction final : public engine::Action {
 public:
  using Plan = std::function<void(engine::Planning&, Json)>;
  using Run = std::function<void(engine::Running&, const engine::Event*)>;

  FunctionAction(Plan plan, Run run) : plan_(std::move(plan)), run_(std::move(run)) {}
  void plan(engine::Planning& planning, Json args) override {
    plan_ ? plan_(planning, std::move(args)) : Action::plan(planning, std::move(args));
  }
  void run(engine::Running& running, const engine::Event* event) override {
    if (run_) run_(running, event);
  }

 private:
  const Plan plan_;
  const Run run_;
};

class LiveWorld {
 public:
  LiveWorld() {
    auto opened = persistence::open_sqlite_store({});
    REQUIRE(opened.ok());
    store = std::move(*opened);
    REQUIRE(store->start().ok());
  }
  ~LiveWorld() { end(); }
  // A fixture whose own members the world uses, such as observers, calls it in its destructor. Harmless twice.
  void end() {
    if (std::exchange(has_ended_, true)) return;
    if (world_) world_->stop(Deadline::after(std::chrono::seconds(5)));
    scheduler_->stop();
    world_.reset();
    store->stop();
  }

  void add(std::string name, FunctionAction::Run run, FunctionAction::Plan plan = nullptr, bool takes_events = false) {
    engine::ActionClass made;
    made.name = std::move(name);
    made.has_run = true;
    made.takes_events = takes_events;
    made.is_cancellable = takes_events;
    made.make = [run = std::move(run), plan = std::move(plan)] { return std::make_unique<FunctionAction>(plan, run); };
    REQUIRE(registry.add(std::move(made)).ok());
  }

  // Starts at the first use.
  engine::World& world() {
    if (!world_) {
      engine::WorldOptions options;
      options.store = store.get();
      options.registry = &registry;
      options.scheduler = scheduler_.get();
      options.observers = observers;
      options.observers.push_back(&waker_);
      world_ = std::make_unique<engine::World>(options);
      REQUIRE(world_->start().ok());
    }
    return *world_;
  }

  // The plan when it has come to rest, as stored.
  persistence::PlanRecord settled(const std::string& plan_id) {
    std::unique_lock lock(mutex_);
    for (int attempt = 0; attempt < 2000; ++attempt) {
      lock.unlock();
      const auto plan = store->load_plan(plan_id);
      if (plan && (plan->state == persistence::PlanState::kStopped || plan->state == persistence::PlanState::kPaused)) {
        return *plan;
      }
      lock.lock();
      waker_.changed.wait_for(lock, std::chrono::milliseconds(5));
    }
    FAIL("plan " << plan_id << " does not come to rest");
    return {};
  }
  std::int64_t stored_plans() { return store->count_plans(std::nullopt).value(); }

  engine::ActionRegistry registry;
  std::unique_ptr<persistence::Store> store;
  std::vector<engine::PlanObserver*> observers;

 private:
  // A member, not a base: it must outlive the world, whatever a test derives from this class.
  struct Waker final : engine::PlanObserver {
    void plan_changed(const persistence::PlanRecord&, persistence::WriteBatch&) override { changed.notify_all(); }
    std::condition_variable changed;
  };

  Waker waker_;
  std::unique_ptr<engine::Scheduler> scheduler_ = engine::make_thread_scheduler(2);
  std::unique_ptr<engine::World> world_;
  bool has_ended_ = false;
  std::mutex mutex_;
};

inline Json parsed(const std::string& text) {
  auto value = json::parse(text);
  REQUIRE(value.ok());
  return std::move(*value);
}

}  // namespace dynflow::test
