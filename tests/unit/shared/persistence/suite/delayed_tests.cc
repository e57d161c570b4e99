#include <catch2/catch.hpp>
#include <string>

#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/suite/probes.h"
#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;

DelayedRecord delayed_of(const std::string& plan_id, std::optional<Time> start_at = std::nullopt,
                         std::vector<std::string> blocked_by = {}) {
  DelayedRecord delayed;
  delayed.plan_id = plan_id;
  delayed.start_at = start_at;
  delayed.serializer = "noop";
  delayed.args = R"([{"a":1}])";
  delayed.blocked_by = std::move(blocked_by);
  return delayed;
}

// The plan too.
void store_delayed(Store& store, const DelayedRecord& delayed) {
  WriteBatch batch = plan_in_state(delayed.plan_id, PlanState::kScheduled);
  batch.add(WriteBatch::PutDelayed{delayed});
  require_ok(store.commit(std::move(batch)));
}

std::vector<std::string> ready(Store& store, Time now, std::size_t limit = 100) {
  std::vector<std::string> ids;
  for (const DelayedRecord& delayed : get(store.load_ready_delayed(now, limit))) ids.push_back(delayed.plan_id);
  return ids;
}

void finish(Store& store, const std::string& id, PlanState state = PlanState::kStopped,
            PlanResult result = PlanResult::kSuccess) {
  require_ok(store.commit(batch_of(WriteBatch::UpdatePlan{id, sample_progress(state, result)})));
}

using Ids = std::vector<std::string>;
constexpr Time kNow = kSampleTime;

void records_survive(Store& store) {
  for (const char* id : {"1", "2"}) require_ok(store.commit(insertion_of(id)));
  DelayedRecord delayed = delayed_of("id", kNow + 5s, {"1", "2"});
  delayed.start_before = kNow + 10s;
  delayed.is_frozen = true;
  store_delayed(store, delayed);
  CHECK(get(store.load_delayed("id")) == delayed);
  const DelayedRecord changed = delayed_of("id", std::nullopt, {"2"});
  require_ok(store.commit(batch_of(WriteBatch::PutDelayed{changed})));
  CHECK(get(store.load_delayed("id")) == changed);
  CHECK(get(store.load_dependents("1")).empty());
  CHECK(get(store.load_dependents("2")) == Ids{"id"});
  require_ok(store.commit(batch_of(WriteBatch::DeleteDelayed{"id"}, WriteBatch::DeleteDelayed{"unknown"})));
  require_code(store.load_delayed("id"), Code::kNotFound);
  CHECK(get(store.load_dependents("2")).empty());
  CHECK(get(store.load_prerequisites("id")).empty());
  CHECK(store.load_plan("id").ok());
  require_code(store.load_delayed("unknown"), Code::kNotFound);
}

void missing_plans_are_refused(Store& store) {
  require_ok(store.commit(insertion_of("id")));
  require_code(store.commit(batch_of(WriteBatch::PutDelayed{delayed_of("unknown")})), Code::kNotFound);
  require_code(store.commit(batch_of(WriteBatch::PutDelayed{delayed_of("id", std::nullopt, {"id", "unknown"})})),
               Code::kNotFound);
  require_code(store.load_delayed("id"), Code::kNotFound);
  // Made in the same batch.
  WriteBatch both = insertion_of("other");
  both.add(WriteBatch::PutDelayed{delayed_of("id", std::nullopt, {"other"})});
  require_ok(store.commit(std::move(both)));
  CHECK(get(store.load_dependents("other")) == Ids{"id"});
}

void due_ones_are_ready(Store& store) {
  store_delayed(store, delayed_of("later", kNow + 1s));
  store_delayed(store, delayed_of("now", kNow));
  store_delayed(store, delayed_of("past", kNow - 1s));
  DelayedRecord expired = delayed_of("expired", kNow + 1h);
  expired.start_before = kNow - 1s;
  store_delayed(store, expired);
  DelayedRecord expires = delayed_of("expires", kNow + 1h);
  expires.start_before = kNow + 1min;
  store_delayed(store, expires);
  CHECK(ready(store, kNow) == Ids{"past", "now", "expired"});
  CHECK(ready(store, kNow, 2) == Ids{"past", "now"});
  CHECK(ready(store, kNow + 1s) == Ids{"past", "now", "later", "expired"});
  CHECK(ready(store, kNow + 1min) == Ids{"past", "now", "later", "expired", "expires"});
  CHECK(get(store.load_ready_delayed(kNow, 1)).front() == delayed_of("past", kNow - 1s));
}

void frozen_ones_are_not_ready(Store& store) {
  DelayedRecord frozen = delayed_of("frozen", kNow - 1s);
  frozen.is_frozen = true;
  frozen.start_before = kNow - 1s;
  store_delayed(store, frozen);
  store_delayed(store, delayed_of("no time"));
  CHECK(ready(store, kNow) == Ids{"no time"});
  frozen.is_frozen = false;
  require_ok(store.commit(batch_of(WriteBatch::PutDelayed{frozen})));
  CHECK(ready(store, kNow).size() == 2);
}

void next_time_is_known(Store& store) {
  CHECK_FALSE(get(store.next_delayed_time(kNow)).has_value());
  store_delayed(store, delayed_of("past", kNow));
  store_delayed(store, delayed_of("no time"));
  DelayedRecord frozen = delayed_of("frozen", kNow + 1s);
  frozen.start_before = kNow + 2s;
  frozen.is_frozen = true;
  store_delayed(store, frozen);
  CHECK_FALSE(get(store.next_delayed_time(kNow)).has_value());
  store_delayed(store, delayed_of("later", kNow + 30s));
  CHECK(get(store.next_delayed_time(kNow)) == kNow + 30s);
  DelayedRecord expires = delayed_of("expires");
  expires.start_before = kNow + 20s;
  store_delayed(store, expires);
  CHECK(get(store.next_delayed_time(kNow)) == kNow + 20s);
  CHECK(get(store.next_delayed_time(kNow + 20s)) == kNow + 30s);
}

void prerequisites_block(Store& store) {
  for (const char* id : {"A", "B"}) require_ok(store.commit(insertion_of(id)));
  store_delayed(store, delayed_of("on A", std::nullopt, {"A"}));
  store_delayed(store, delayed_of("on both", std::nullopt, {"A", "B"}));
  store_delayed(store, delayed_of("on A, later", kNow + 1s, {"A"}));
  DelayedRecord frozen = delayed_of("on A, frozen", std::nullopt, {"A"});
  frozen.is_frozen = true;
  store_delayed(store, frozen);
  DelayedRecord expired = delayed_of("on B, expired", std::nullopt, {"B"});
  expired.start_before = kNow - 1s;
  store_delayed(store, expired);
  CHECK(ready(store, kNow).empty());
  CHECK(get(store.load_dependents("A")) == Ids{"on A", "on both", "on A, later", "on A, frozen"});
  CHECK(get(store.load_dependents("B")) == Ids{"on both", "on B, expired"});

  finish(store, "A", PlanState::kPaused, PlanResult::kError);
  CHECK(ready(store, kNow).empty());
  finish(store, "A");
  CHECK(ready(store, kNow) == Ids{"on A"});
  CHECK(ready(store, kNow + 1s) == Ids{"on A", "on A, later"});
  finish(store, "B", PlanState::kStopped, PlanResult::kError);
  CHECK(ready(store, kNow) == Ids{"on A", "on both", "on B, expired"});
  CHECK(get(store.load_prerequisites("on both")) ==
        std::vector<Prerequisite>{{"A", PlanState::kStopped, PlanResult::kSuccess},
                                  {"B", PlanState::kStopped, PlanResult::kError}});
  CHECK(get(store.load_prerequisites("A")).empty());
}

void cleaned_prerequisites_are_remembered(Store& store) {
  for (const char* id : {"error", "halted", "paused", "waits"}) require_ok(store.commit(insertion_of(id)));
  store_delayed(store, delayed_of("id", std::nullopt, {"error", "halted", "paused", "waits"}));
  finish(store, "error", PlanState::kStopped, PlanResult::kError);
  finish(store, "halted", PlanState::kStopped, PlanResult::kPending);
  finish(store, "paused", PlanState::kPaused, PlanResult::kPending);
  CHECK(get(store.clean(kNow + 1h, 10)) == 3);
  CHECK(ready(store, kNow).empty());
  // One that was paused can never end: it has failed for those who wait.
  std::vector<Prerequisite> expected = {{"error", PlanState::kStopped, PlanResult::kError},
                                        {"halted", PlanState::kStopped, PlanResult::kPending},
                                        {"paused", PlanState::kStopped, PlanResult::kError},
                                        {"waits", PlanState::kPlanned, PlanResult::kPending}};
  CHECK(get(store.load_prerequisites("id")) == expected);
  finish(store, "waits");
  expected[3] = {"waits", PlanState::kStopped, PlanResult::kSuccess};
  CHECK(ready(store, kNow) == Ids{"id"});
  // Putting the record again forgets nothing, a new plan of that id is another one.
  require_ok(store.commit(insertion_of("error")));
  require_ok(store.commit(
      batch_of(WriteBatch::PutDelayed{delayed_of("id", std::nullopt, {"error", "halted", "paused", "waits"})})));
  CHECK(get(store.load_prerequisites("id")) == expected);
  CHECK(ready(store, kNow) == Ids{"id"});
  CHECK(get(store.load_dependents("error")).empty());
}

}  // namespace

std::vector<StoreTest> delayed_tests() {
  return {
      {"delayed records survive", "[D01][D03]", records_survive},
      {"missing plans and prerequisites are refused", "", missing_plans_are_refused},
      {"due ones are ready, by start_at", "[S14]", due_ones_are_ready},
      {"frozen ones are never ready", "[S15]", frozen_ones_are_not_ready},
      {"the next time is known", "", next_time_is_known},
      {"prerequisites block", "[S16][D09][D10][D11]", prerequisites_block},
      {"cleaned prerequisites are remembered", "[D11][D12]", cleaned_prerequisites_are_remembered},
  };
}

}  // namespace dynflow::persistence
