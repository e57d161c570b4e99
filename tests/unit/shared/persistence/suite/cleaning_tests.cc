#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/suite/probes.h"
#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;

void cleaner_removes_what_rests(Store& store) {
  REQUIRE(store.commit(finished_plan("oldest", kSampleTime)).ok());
  REQUIRE(store.commit(finished_plan("old", kSampleTime + 1s)).ok());
  REQUIRE(store.commit(finished_plan("young", kSampleTime + 100s)).ok());
  REQUIRE(store.commit(insertion_of("running")).ok());
  REQUIRE(store.commit(insertion_of("paused")).ok());
  REQUIRE(store.commit(batch_of(WriteBatch::UpdatePlan{
                           "paused", sample_progress(PlanState::kPaused, PlanResult::kError, kSampleTime + 2s)},
                           WriteBatch::AppendChunks{"oldest", 2, {sample_chunk(1, "x")}},
                           WriteBatch::PutEvent{sample_event("e", "oldest")},
                           WriteBatch::PutEvent{sample_event("f", "running")}))
              .ok());
  auto removed = store.clean(kSampleTime + 50s, 1);
  REQUIRE(removed.ok());
  CHECK(*removed == 1);
  require_code(store.load_plan("oldest"), Code::kNotFound);
  require_code(store.load_chunks("oldest", 2), Code::kNotFound);
  CHECK(store.load_plan("old").ok());
  CHECK(*store.load_events() == std::vector<EventRecord>{sample_event("f", "running")});
  removed = store.clean(kSampleTime + 50s, 100);
  REQUIRE(removed.ok());
  CHECK(*removed == 2);
  CHECK(count(store) == 2);
  CHECK(count(store, PlanState::kStopped) == 1);
  CHECK(count(store, PlanState::kPaused) == 0);
  CHECK(*store.clean(kSampleTime + 50s, 100) == 0);
  CHECK(*store.clean(kSampleTime + 500s, 0) == 0);
  CHECK(store.load_plan("young").ok());
  // An id is free again, and nothing of its old owner is left.
  REQUIRE(store.commit(insertion_of("oldest")).ok());
  CHECK(chunks(store, "oldest", 2).empty());
  CHECK(*store.load_plan("oldest") == sample_plan("oldest"));
  // What was removed is not written to any more.
  require_code(store.commit(batch_of(WriteBatch::UpdatePlan{"paused", {}})), Code::kNotFound);
}

void cleaner_spares_undelivered_callbacks(Store& store) {
  for (const char* id : {"waiting", "abandoned"}) REQUIRE(store.commit(finished_plan(id, kSampleTime)).ok());
  OutboxRecord given_up = sample_outbox("2", "abandoned");
  given_up.is_abandoned = true;
  REQUIRE(store.commit(batch_of(WriteBatch::PutOutbox{sample_outbox("1", "waiting")}, WriteBatch::PutOutbox{given_up}))
              .ok());
  CHECK(*store.clean(kSampleTime + 1s, 100) == 1);
  CHECK(store.load_plan("waiting").ok());
  REQUIRE(store.commit(batch_of(WriteBatch::DeleteOutbox{"1"})).ok());
  CHECK(*store.clean(kSampleTime + 1s, 100) == 1);
  CHECK(count(store) == 0);
}

void cleaner_takes_many_slices(Store& store) {
  WriteBatch batch;
  for (int i = 0; i < 1200; ++i) batch.add(finished_plan(std::to_string(i), kSampleTime + std::chrono::seconds(i)));
  REQUIRE(store.commit(std::move(batch)).ok());
  CHECK(*store.clean(kSampleTime + 1h, 700) == 700);
  CHECK(count(store, PlanState::kStopped) == 500);
  CHECK(store.load_statuses({"699", "700"})->front().id == "700");
  CHECK(*store.clean(kSampleTime + 1h, 10'000) == 500);
}

void everything_of_a_plan_goes(Store& store) {
  require_ok(store.join(sample_world("w"), 1h));
  for (const char* id : {"gone", "kept"}) REQUIRE(store.commit(insertion_of(id)).ok());
  DelayedRecord delayed;
  delayed.plan_id = "gone";
  delayed.blocked_by = {"kept"};
  OutboxRecord abandoned = sample_outbox("1", "gone");
  abandoned.is_abandoned = true;
  REQUIRE(store.commit(batch_of(WriteBatch::PutDelayed{delayed}, WriteBatch::PutEvent{sample_event("e", "gone")},
                                WriteBatch::PutOutbox{abandoned}, WriteBatch::PutEvent{sample_event("f", "kept")}))
              .ok());
  require_ok(store.acquire_lock({"lock of gone", "gone"}));
  require_ok(store.acquire_lock({"lock of kept", "kept"}));
  REQUIRE(store.commit(batch_of(WriteBatch::UpdatePlan{
                           "gone", sample_progress(PlanState::kStopped, PlanResult::kSuccess)})).ok());
  CHECK(get(store.clean(kSampleTime + 1s, 10)) == 1);
  require_code(store.load_plan("gone"), Code::kNotFound);
  require_code(store.load_delayed("gone"), Code::kNotFound);
  CHECK(get(store.load_prerequisites("gone")).empty());
  CHECK(get(store.load_dependents("kept")).empty());
  CHECK(get(store.load_events_of("gone")).empty());
  CHECK(get(store.load_locks()) == std::vector<LockRecord>{{"lock of kept", "kept"}});
  CHECK(get(store.load_plan("kept")) == sample_plan("kept"));
  CHECK(get(store.load_events_of("kept")).size() == 1);
  // A new plan of that id has nothing of the old one.
  REQUIRE(store.commit(insertion_of("gone")).ok());
  require_code(store.load_delayed("gone"), Code::kNotFound);
}

void sweeping_removes_what_nobody_handles(Store& store) {
  require_ok(store.join(sample_world("w"), 1h));
  REQUIRE(store.commit(plan_in_state("running", PlanState::kRunning)).ok());
  REQUIRE(store.commit(plan_in_state("paused", PlanState::kPaused)).ok());
  REQUIRE(store.commit(plan_in_state("stopped", PlanState::kStopped)).ok());
  for (const char* id : {"running", "paused", "stopped", "gone"}) {
    REQUIRE(store.commit(batch_of(WriteBatch::PutEvent{sample_event(id, id)})).ok());
    require_ok(store.acquire_lock({id, id}));
  }
  // Events of "stopped" and "gone"; locks of "stopped" and "paused". "gone" may be about to be made.
  CHECK(get(store.sweep()) == 4);
  CHECK(get(store.load_events_of("running")).size() == 1);
  CHECK(get(store.load_events_of("paused")).size() == 1);
  CHECK(get(store.load_events_of("stopped")).empty());
  CHECK(get(store.load_events_of("gone")).empty());
  CHECK(get(store.load_locks()) == std::vector<LockRecord>{{"gone", "gone"}, {"running", "running"}});
  CHECK(get(store.sweep()) == 0);
  // Nobody makes it any more.
  require_ok(store.leave());
  CHECK(get(store.sweep()) == 1);
  CHECK(get(store.load_locks()) == std::vector<LockRecord>{{"running", "running"}});
}

}  // namespace

std::vector<StoreTest> cleaning_tests() {
  return {
      {"the cleaner removes what rests", "[S11]", cleaner_removes_what_rests},
      {"the cleaner spares undelivered callbacks", "", cleaner_spares_undelivered_callbacks},
      {"the cleaner works in slices", "[S11]", cleaner_takes_many_slices},
      {"with a plan goes all that belongs to it", "[S11][S17]", everything_of_a_plan_goes},
      {"sweeping removes what nobody handles", "[W16]", sweeping_removes_what_nobody_handles},
  };
}

}  // namespace dynflow::persistence
