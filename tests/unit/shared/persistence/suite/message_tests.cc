#include <catch2/catch.hpp>
#include <string>

#include "shared/persistence/store_numbers.h"
#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/suite/probes.h"
#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;

void events_wait_in_order(Store& store) {
  for (const char* id : {"2", "1", "3"}) {
    REQUIRE(store.commit(batch_of(WriteBatch::PutEvent{sample_event(id, "plan")})).ok());
  }
  EventRecord repeated = sample_event("1", "plan");
  repeated.name = "later";  // a repeated delivery of an event that was acknowledged
  REQUIRE(store.commit(batch_of(WriteBatch::PutEvent{repeated}, WriteBatch::DeleteEvent{"3"})).ok());
  const auto events = store.load_events();
  REQUIRE(events.ok());
  CHECK(*events == std::vector<EventRecord>{sample_event("2", "plan"), sample_event("1", "plan")});
}

void outbox_is_served_by_time(Store& store) {
  CHECK_FALSE(store.next_outbox_time()->has_value());
  REQUIRE(store.commit(batch_of(WriteBatch::InsertPlan{sample_plan("p")},
                                WriteBatch::PutOutbox{sample_outbox("late", "p", kSampleTime + 20s)},
                                WriteBatch::PutOutbox{sample_outbox("soon", "p", kSampleTime + 10s)},
                                WriteBatch::PutOutbox{sample_outbox("then", "p", kSampleTime + 10s)}))
              .ok());
  CHECK(*store.next_outbox_time() == kSampleTime + 10s);
  CHECK(store.load_due_outbox(kSampleTime + 9s, 10, {})->empty());
  auto due = store.load_due_outbox(kSampleTime + 20s, 10, {});
  REQUIRE(due.ok());
  REQUIRE(due->size() == 3);
  CHECK(without_version((*due)[0]) == sample_outbox("soon", "p", kSampleTime + 10s));
  CHECK((*due)[1].id == "then");
  CHECK((*due)[2].id == "late");
  CHECK(store.load_due_outbox(kSampleTime + 20s, 2, {})->size() == 2);

  OutboxRecord retried = (*due)[0];
  retried.attempts = 3;
  retried.next_attempt_at = kSampleTime + 60s;
  retried.last_error = "HTTP 500";
  retried.data = R"({"x":1})";
  retried.action_id = 0;
  OutboxRecord abandoned = (*due)[1];
  abandoned.is_abandoned = true;
  REQUIRE(store.commit(batch_of(WriteBatch::PutOutbox{retried}, WriteBatch::PutOutbox{abandoned},
                                WriteBatch::DeleteOutbox{"late"}))
              .ok());
  due = store.load_due_outbox(kSampleTime + 100s, 10, {});
  REQUIRE(due.ok());
  REQUIRE(due->size() == 1);
  CHECK(without_version(due->front()) == without_version(retried));
  CHECK(*store.next_outbox_time() == kSampleTime + 60s);
}

void entries_under_way_are_not_read_again(Store& store) {
  WriteBatch batch;
  for (const char* id : {"a", "b", "c", "d"}) batch.add(WriteBatch::PutOutbox{sample_outbox(id, "p")});
  REQUIRE(store.commit(std::move(batch)).ok());
  const auto all = get(store.load_due_outbox(kSampleTime, 10, {}));
  REQUIRE(all.size() == 4);
  const std::vector<std::int64_t> first_two{all[0].version, all[1].version};
  CHECK(ids_of(get(store.load_due_outbox(kSampleTime, 10, first_two))) == std::vector<std::string>{"c", "d"});
  // They do not count as some of those that are asked for.
  CHECK(ids_of(get(store.load_due_outbox(kSampleTime, 1, first_two))) == std::vector<std::string>{"c"});
  // What replaces one of them has another version.
  REQUIRE(store.commit(batch_of(WriteBatch::PutOutbox{sample_outbox("b", "p")})).ok());
  CHECK(ids_of(get(store.load_due_outbox(kSampleTime, 10, first_two))) == std::vector<std::string>{"b", "c", "d"});
  std::vector<std::int64_t> many(1000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = 1'000'000 + static_cast<std::int64_t>(i);
  CHECK(get(store.load_due_outbox(kSampleTime, 10, many)).size() == 4);
}

void timers_keep_their_time(Store& store) {
  REQUIRE(store.commit(insertion_of("plan")).ok());
  EventRecord timer = sample_event("timer", "plan");
  timer.due_at = kSampleTime + 60s;
  timer.step_id = 0;
  REQUIRE(store.commit(batch_of(WriteBatch::PutEvent{timer}, WriteBatch::PutEvent{sample_event("event", "plan")},
                                WriteBatch::PutEvent{sample_event("other", "other plan")},
                                WriteBatch::WakeOwner{"plan"}, WriteBatch::WakeOwner{"unknown"}))
              .ok());
  CHECK(get(store.load_events_of("plan")) == std::vector<EventRecord>{timer, sample_event("event", "plan")});
  CHECK(ids_of(get(store.load_events_of("other plan"))) == std::vector<std::string>{"other"});
  CHECK(get(store.load_events_of("unknown")).empty());
}

void stores_tell_about_their_work(Store& store) {
  Watched* told = watched(store);
  REQUIRE(told != nullptr);
  CHECK(get(told->callback_backlog()).waiting == 0);
  CHECK_FALSE(get(told->callback_backlog()).oldest);
  const auto batches = told->numbers().batches.value();
  const auto changes = told->numbers().changes.value();
  OutboxRecord given_up = sample_outbox("given up", "plan");
  given_up.is_abandoned = true;
  given_up.created_at = kSampleTime - 60s;
  OutboxRecord first = sample_outbox("first", "plan", kSampleTime + 20s);
  first.created_at = kSampleTime + 5s;
  REQUIRE(store.commit(batch_of(WriteBatch::InsertPlan{sample_plan("plan")}, WriteBatch::PutOutbox{given_up}, WriteBatch::PutOutbox{first},
                                WriteBatch::PutOutbox{sample_outbox("second", "plan", kSampleTime)})).ok());
  const CallbackBacklog backlog = get(told->callback_backlog());
  CHECK(backlog.waiting == 2);
  CHECK(backlog.abandoned == 1);
  CHECK(backlog.oldest == kSampleTime + 5s);
  CHECK(told->numbers().batches.value() == batches + 1);
  CHECK(told->numbers().changes.value() == changes + 4);
  CHECK(told->numbers().failed_batches.value() == 0);
  CHECK(told->numbers().commits.view().count > 0);
  CHECK(told->numbers().reads.view().count > 0);
  CHECK(told->waiting_changes() == 0);
  CHECK_FALSE(store.commit(batch_of(WriteBatch::InsertPlan{sample_plan("plan")})).ok());
  CHECK(told->numbers().failed_batches.value() == 1);
}

void versions_grow(Store& store) {
  const OutboxRecord entry = sample_outbox("o", "plan");
  REQUIRE(store.commit(batch_of(WriteBatch::PutOutbox{entry})).ok());
  const auto first = only_entry(store);
  CHECK(first.version > 0);
  REQUIRE(store.commit(batch_of(WriteBatch::PutOutbox{entry})).ok());
  const auto second = only_entry(store);
  CHECK(second.version > first.version);
  OutboxRecord retried = second;
  retried.attempts = 1;
  REQUIRE(store.commit(batch_of(WriteBatch::PutOutbox{retried})).ok());
  const auto third = only_entry(store);
  CHECK(third.version > second.version);
  CHECK(third.attempts == 1);
  // Neither does an entry that was removed get an old version again.
  REQUIRE(store.commit(batch_of(WriteBatch::DeleteOutbox{"o"}, WriteBatch::PutOutbox{entry})).ok());
  CHECK(only_entry(store).version > third.version);
}

void replaced_entries_stay(Store& store) {
  REQUIRE(store.commit(batch_of(WriteBatch::InsertPlan{sample_plan("plan")},
                                WriteBatch::PutOutbox{sample_outbox("o", "plan")}))
              .ok());
  const auto taken = only_entry(store);
  OutboxRecord newer = sample_outbox("o", "plan");
  newer.data = R"({"newer":true})";
  REQUIRE(store.commit(batch_of(WriteBatch::PutOutbox{newer})).ok());
  // What becomes of the one that was taken does not matter any more; that is no error for the rest of the batch.
  OutboxRecord retried = taken;
  retried.attempts = 5;
  OutboxRecord abandoned = taken;
  abandoned.is_abandoned = true;
  OutboxRecord orphan = taken;
  orphan.plan_id = "unknown";
  orphan.is_abandoned = true;
  REQUIRE(store.commit(batch_of(WriteBatch::PutOutbox{retried}, WriteBatch::PutOutbox{abandoned},
                                WriteBatch::PutOutbox{orphan}, WriteBatch::DeleteOutbox{"o", taken.version},
                                WriteBatch::InsertPlan{sample_plan("another")}))
              .ok());
  const auto kept = only_entry(store);
  CHECK(without_version(kept) == newer);
  CHECK(store.load_plan("another").ok());
  REQUIRE(store.commit(batch_of(WriteBatch::DeleteOutbox{"o", kept.version})).ok());
  CHECK_FALSE(get(store.next_outbox_time()).has_value());
  // An entry that is gone does not come back.
  REQUIRE(store.commit(batch_of(WriteBatch::PutOutbox{kept})).ok());
  CHECK_FALSE(get(store.next_outbox_time()).has_value());
}

}  // namespace

std::vector<StoreTest> message_tests() {
  return {
      {"events wait in order", "", events_wait_in_order},
      {"timers keep their time", "", timers_keep_their_time},
      {"the outbox is served by time", "", outbox_is_served_by_time},
      {"entries under way are not read again", "", entries_under_way_are_not_read_again},
      {"a store tells about its work", "", stores_tell_about_their_work},
      {"versions of entries grow", "", versions_grow},
      {"an entry that was replaced stays", "", replaced_entries_stay},
  };
}

}  // namespace dynflow::persistence
