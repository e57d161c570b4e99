#include <catch2/catch.hpp>
#include <atomic>
#include <string>
#include <thread>

#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/suite/probes.h"
#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;

void stopped_store_refuses(Store& store) {
  REQUIRE(store.start().ok());  // harmless twice
  std::atomic<int> written{0};
  for (int i = 0; i < 100; ++i) {
    store.submit(insertion_of(std::to_string(i)), Durability::kFull,
                 [&](const Status& status) { written += status.ok() ? 1 : 0; });
  }
  store.stop();
  CHECK(written == 100);
  store.stop();
  require_code(store.commit(insertion_of("late")), Code::kClosed);
  require_code(store.clean(kSampleTime, 1), Code::kClosed);
  require_code(store.sweep(), Code::kClosed);
  require_code(store.join(sample_world("w"), 1h), Code::kClosed);
  require_code(store.acquire_lock({"lock", "99"}), Code::kClosed);
  CHECK(count(store) == 100);
  CHECK(store.load_plan("99").ok());  // what is stored can still be read
  REQUIRE(store.start().ok());
  CHECK(store.commit(insertion_of("late")).ok());
}

void writes_are_seen_after_completion(Store& store) {
  constexpr int kThreads = 4;
  constexpr int kPlans = 60;
  std::atomic<int> missing{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPlans; ++i) {
        const std::string id = std::to_string(t) + "-" + std::to_string(i);
        if (!store.commit(insertion_of(id, "parent")).ok()) ++failed;
        const auto statuses = store.load_statuses({id});
        if (!statuses.ok() || statuses->size() != 1 || !store.load_plan(id).ok()) ++missing;
        if (store.load_sub_plans("parent")->empty() || *store.count_plans(PlanState::kPlanned) == 0) ++missing;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(missing == 0);
  CHECK(count(store) == kThreads * kPlans);
}

void everything_survives_reopening(const OpenStore& open) {
  {
    const auto store = open();
    REQUIRE(store->start().ok());
    REQUIRE(store->commit(insertion_of("running")).ok());
    REQUIRE(store->commit(finished_plan("finished", kSampleTime)).ok());
    REQUIRE(store->commit(batch_of(WriteBatch::AppendChunks{"running", 2, {sample_chunk(1, "x")}},
                                   WriteBatch::PutEvent{sample_event("e", "running")},
                                   WriteBatch::PutOutbox{sample_outbox("o", "finished")}))
                .ok());
    DelayedRecord delayed;
    delayed.plan_id = "waiting";
    delayed.blocked_by = {"running"};
    WriteBatch waiting = plan_in_state("waiting", PlanState::kScheduled);
    waiting.add(WriteBatch::PutDelayed{delayed});
    require_ok(store->commit(std::move(waiting)));
    require_ok(store->acquire_lock({"lock", "running"}));
  }
  const auto store = open();
  CHECK(count(*store) == 3);
  CHECK(get(store->load_delayed("waiting")).blocked_by == std::vector<std::string>{"running"});
  CHECK(get(store->load_dependents("running")) == std::vector<std::string>{"waiting"});
  CHECK(get(store->load_locks()) == std::vector<LockRecord>{{"lock", "running"}});
  CHECK(count(*store, PlanState::kPlanned) == 1);
  CHECK(count(*store, PlanState::kStopped) == 1);
  CHECK(*store->load_plan("running") == sample_plan("running"));
  CHECK(chunks(*store, "running", 2) == std::vector<OutputChunk>{sample_chunk(1, "x")});
  CHECK(*store->load_events() == std::vector<EventRecord>{sample_event("e", "running")});
  CHECK(store->load_due_outbox(kSampleTime, 10, {})->size() == 1);
  CHECK(unfinished(*store) == std::vector<std::string>{"running", "waiting"});
  REQUIRE(store->start().ok());
  require_code(store->commit(insertion_of("running")), Code::kConflict);
  CHECK(store->commit(insertion_of("next")).ok());
  CHECK(unfinished(*store) == std::vector<std::string>{"running", "waiting", "next"});
}

// Destroying without stop() writes what was submitted.
void destruction_drains(const OpenStore& open) {
  {
    const auto store = open();
    REQUIRE(store->start().ok());
    for (int i = 0; i < 200; ++i) store->submit(insertion_of(std::to_string(i)), Durability::kRelaxed, {});
  }
  CHECK(count(*open()) == 200);
}

void unstarted_store_refuses_writes(const OpenStore& open) {
  const auto store = open();
  require_code(store->commit(insertion_of("x")), Code::kClosed);
  CHECK(count(*store) == 0);
}

// A world that was killed is registered still, until the next one joins.
void worlds_survive_reopening(const OpenStore& open) {
  {
    const auto store = open();
    require_ok(store->start());
    require_ok(store->join(sample_world("one"), 1h));
    require_ok(store->commit(plan_in_state("running", PlanState::kRunning, PlanResult::kPending, "one")));
    require_ok(store->acquire_lock({"lock", "never made"}));
  }
  const auto store = open();
  require_ok(store->start());
  CHECK(ids_of(get(store->load_worlds())) == std::vector<std::string>{"one"});
  CHECK(get(store->load_plan("running")).owner == "one");
  if (store->is_shared()) return;
  CHECK_FALSE(get(store->load_worlds())[0].is_alive);
  require_ok(store->join(sample_world("two"), 1h));
  CHECK(ids_of(get(store->load_worlds())) == std::vector<std::string>{"two"});
  CHECK(get(store->claim_orphans(10)) == std::vector<std::string>{"running"});
  require_ok(store->acquire_lock({"lock", "running"}));
}

}  // namespace

std::vector<StoreTest> lifecycle_tests() {
  return {
      {"a stopped store drains, then refuses", "", stopped_store_refuses},
      {"writes are seen once completed", "", writes_are_seen_after_completion},
  };
}

const std::vector<DurableStoreTest>& durable_store_tests() {
  static const std::vector<DurableStoreTest> tests = {
      {"everything survives reopening", "[S01]", everything_survives_reopening},
      {"worlds survive reopening", "", worlds_survive_reopening},
      {"destruction drains", "", destruction_drains},
      {"an unstarted store refuses writes", "", unstarted_store_refuses_writes},
  };
  return tests;
}

}  // namespace dynflow::persistence
