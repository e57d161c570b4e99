#include "tests/unit/shared/persistence/store_suite.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <mutex>
#include <string>
#include <thread>

#include "tests/unit/shared/persistence/sample_plans.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

void require_code(const Status& status, Code code) {
  REQUIRE_FALSE(status.ok());
  INFO(status.error().message());
  REQUIRE(status.error().code() == code);
}

template <class T>
void require_code(const Result<T>& result, Code code) {
  REQUIRE_FALSE(result.ok());
  INFO(result.error().message());
  REQUIRE(result.error().code() == code);
}

std::int64_t count(Store& store, std::optional<PlanState> state = std::nullopt) {
  const auto number = store.count_plans(state);
  REQUIRE(number.ok());
  return *number;
}

std::vector<std::string> unfinished(Store& store) {
  auto ids = store.load_unfinished();
  REQUIRE(ids.ok());
  return *ids;
}

std::vector<OutputChunk> chunks(Store& store, const std::string& plan, int action, std::int64_t after = 0,
                                std::size_t limit = 0) {
  auto loaded = store.load_chunks(plan, action, after, limit);
  REQUIRE(loaded.ok());
  return *loaded;
}

void plan_survives(Store& store) {
  const PlanRecord plan = sample_plan("id", "caller");
  REQUIRE(store.commit(batch_of(WriteBatch::InsertPlan{plan})).ok());
  const auto loaded = store.load_plan("id");
  REQUIRE(loaded.ok());
  CHECK(*loaded == plan);
  PlanRecord bare;
  bare.id = "bare";
  REQUIRE(store.commit(batch_of(WriteBatch::InsertPlan{bare})).ok());
  REQUIRE(store.load_plan("bare").ok());
  CHECK(*store.load_plan("bare") == bare);
  require_code(store.load_plan("other"), Code::kNotFound);
}

void odd_ids_survive(Store& store) {
  // Ids are the client's choice: they must not be interpreted anywhere.
  const std::vector<std::string> ids = {"%",    "_",   "ID", "id", "it's",
                                        "\"q\"", "a\nb", "ünï", "1",  " 1",   std::string(4000, 'x')};
  for (const auto& id : ids) REQUIRE(store.commit(insertion_of(id)).ok());
  for (const auto& id : ids) {
    REQUIRE(store.load_plan(id).ok());
    CHECK(store.load_plan(id)->id == id);
  }
  CHECK(count(store) == static_cast<std::int64_t>(ids.size()));
}

void plan_is_updated(Store& store) {
  PlanRecord plan = sample_plan("id");
  REQUIRE(store.commit(insertion_of("id")).ok());
  StepRecord step = plan.steps[2];
  step.state = StepState::kError;
  step.error = StepError{"RuntimeError", "it \"broke\"\n", {"a.rb:1", "b.rb:2"}};
  step.started_at = kSampleTime + 1s;
  step.ended_at = kSampleTime + 2s;
  step.execution_time = 0.3;
  step.real_time = 1;
  step.progress_done = 0.5;
  step.progress_weight = 2;
  step.children = {4};
  REQUIRE(store
              .commit(batch_of(
                  WriteBatch::UpdatePlan{"id", sample_progress(PlanState::kPaused, PlanResult::kError)},
                  WriteBatch::UpdateStep{"id", step},
                  WriteBatch::UpdateAction{"id", 2, R"({"new":1})", R"({"result":[]})"},
                  WriteBatch::UpdateAction{"id", 1, "", R"({"kept":"input"})"}))
              .ok());
  const PlanProgress progress = sample_progress(PlanState::kPaused, PlanResult::kError);
  plan.state = progress.state;
  plan.result = progress.result;
  plan.started_at = progress.started_at;
  plan.ended_at = progress.ended_at;
  plan.execution_time = progress.execution_time;
  plan.real_time = progress.real_time;
  plan.history = progress.history;
  plan.steps[2] = step;
  plan.actions[1].input = R"({"new":1})";
  plan.actions[1].output = R"({"result":[]})";
  plan.actions[0].output = R"({"kept":"input"})";
  const auto loaded = store.load_plan("id");
  REQUIRE(loaded.ok());
  CHECK(*loaded == plan);

  step.error.reset();  // a retried step succeeds
  step.state = StepState::kSuccess;
  REQUIRE(store.commit(batch_of(WriteBatch::UpdateStep{"id", step})).ok());
  CHECK(store.load_plan("id")->steps[2] == step);
}

void changes_of_unknown_things_are_refused(Store& store) {
  REQUIRE(store.commit(insertion_of("id")).ok());
  StepRecord step = sample_plan("id").steps[0];
  require_code(store.commit(batch_of(WriteBatch::UpdatePlan{"x", {}})), Code::kNotFound);
  require_code(store.commit(batch_of(WriteBatch::UpdateStep{"x", step})), Code::kNotFound);
  require_code(store.commit(batch_of(WriteBatch::UpdateAction{"x", 1, "{}", "{}"})), Code::kNotFound);
  require_code(store.commit(batch_of(WriteBatch::AppendChunks{"x", 1, {sample_chunk(1, "x")}})), Code::kNotFound);
  step.id = 99;
  require_code(store.commit(batch_of(WriteBatch::UpdateStep{"id", step})), Code::kNotFound);
  require_code(store.commit(batch_of(WriteBatch::UpdateAction{"id", 99, "{}", "{}"})), Code::kNotFound);
  require_code(store.load_chunks("x", 1), Code::kNotFound);
  // Events and callbacks may outlive their plan, and deleting what is gone is no mistake.
  REQUIRE(store.commit(batch_of(WriteBatch::PutEvent{sample_event("e", "x")},
                                WriteBatch::PutOutbox{sample_outbox("o", "x")}, WriteBatch::DeleteEvent{"y"},
                                WriteBatch::DeleteOutbox{"y"}))
              .ok());
}

void batch_is_all_or_nothing(Store& store) {
  REQUIRE(store.commit(insertion_of("first")).ok());
  WriteBatch batch = insertion_of("second");
  batch.add(WriteBatch::PutEvent{sample_event("e", "second")});
  batch.add(WriteBatch::PutOutbox{sample_outbox("o", "second")});
  batch.add(WriteBatch::UpdatePlan{"first", sample_progress(PlanState::kStopped, PlanResult::kSuccess)});
  batch.add(WriteBatch::AppendChunks{"first", 2, {sample_chunk(1, "x")}});
  batch.add(WriteBatch::InsertPlan{sample_plan("first")});
  require_code(store.commit(std::move(batch)), Code::kConflict);
  require_code(store.load_plan("second"), Code::kNotFound);
  CHECK(*store.load_plan("first") == sample_plan("first"));
  CHECK(chunks(store, "first", 2).empty());
  CHECK(store.load_events()->empty());
  CHECK_FALSE(store.next_outbox_time()->has_value());
  CHECK(count(store) == 1);
  CHECK(count(store, PlanState::kPlanned) == 1);
  CHECK(count(store, PlanState::kStopped) == 0);
  // The same plan twice in one batch.
  WriteBatch twice = insertion_of("third");
  twice.add(insertion_of("third"));
  require_code(store.commit(std::move(twice)), Code::kConflict);
  CHECK(count(store) == 1);
}

// Many batches submitted at once share transactions: the bad ones among them must not hurt the others.
void bad_batches_fail_alone(Store& store) {
  constexpr int kBatches = 300;
  std::mutex mutex;
  std::vector<std::pair<int, std::optional<Code>>> outcomes;
  std::promise<void> done;
  for (int i = 0; i < kBatches; ++i) {
    WriteBatch batch = insertion_of(i % 10 == 9 ? "plan 0" : "plan " + std::to_string(i));
    if (i % 10 == 5) batch.add(WriteBatch::UpdatePlan{"nobody", {}});
    if (i % 10 == 7) batch.add(WriteBatch::PutEvent{sample_event("nul \0"s, "x")});
    store.submit(std::move(batch), Durability::kFull, [&, i](Status status) {
      const std::lock_guard lock(mutex);
      outcomes.emplace_back(i, status.ok() ? std::nullopt : std::optional(status.error().code()));
      if (outcomes.size() == kBatches) done.set_value();
    });
  }
  done.get_future().get();
  for (int i = 0; i < kBatches; ++i) {
    CAPTURE(i);
    const auto& [number, code] = outcomes[static_cast<std::size_t>(i)];
    CHECK(number == i);  // completions keep the order
    std::optional<Code> expected;
    if (i % 10 == 9) expected = Code::kConflict;
    if (i % 10 == 5) expected = Code::kNotFound;
    if (i % 10 == 7) expected = Code::kInvalid;
    CHECK(code == expected);
    if (i % 10 != 9) CHECK(store.load_plan("plan " + std::to_string(i)).ok() == !expected);
  }
  CHECK(count(store) == kBatches * 7 / 10);
  CHECK(count(store, PlanState::kPlanned) == kBatches * 7 / 10);
}

void batches_keep_their_order(Store& store) {
  REQUIRE(store.commit(insertion_of("id")).ok());
  std::promise<void> done;
  int failed = 0;
  for (int i = 1; i <= 500; ++i) {
    WriteBatch batch = batch_of(WriteBatch::UpdateAction{"id", 2, "", std::to_string(i)},
                                WriteBatch::AppendChunks{"id", 2, {sample_chunk(i, std::to_string(i))}});
    store.submit(std::move(batch), i % 3 == 0 ? Durability::kFull : Durability::kRelaxed, [&, i](const Status& status) {
      if (!status.ok()) ++failed;
      if (i == 500) done.set_value();
    });
  }
  done.get_future().get();
  CHECK(failed == 0);
  CHECK(store.load_plan("id")->actions[1].output == "500");
  const auto all = chunks(store, "id", 2);
  REQUIRE(all.size() == 500);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i] == sample_chunk(static_cast<std::int64_t>(i) + 1, std::to_string(i + 1)));
  }
}

void empty_batch_succeeds(Store& store) {
  CHECK(store.commit(WriteBatch()).ok());
  CHECK(count(store) == 0);
}

void chunks_are_read_in_parts(Store& store) {
  REQUIRE(store.commit(insertion_of("id")).ok());
  WriteBatch::AppendChunks append{"id", 1, {}};
  for (int i = 1; i <= 10; ++i) append.chunks.push_back(sample_chunk(i, "line\n"));
  REQUIRE(store.commit(batch_of(append), Durability::kRelaxed).ok());
  REQUIRE(store.commit(batch_of(WriteBatch::AppendChunks{"id", 2, {sample_chunk(1, "other")}})).ok());
  CHECK(chunks(store, "id", 1).size() == 10);
  CHECK(chunks(store, "id", 2).size() == 1);
  CHECK(chunks(store, "id", 3).empty());
  const auto part = chunks(store, "id", 1, 3, 4);
  REQUIRE(part.size() == 4);
  CHECK(part.front().sequence == 4);
  CHECK(part.back().sequence == 7);
  CHECK(chunks(store, "id", 1, 10).empty());
  // A sequence number names one chunk for ever.
  require_code(store.commit(batch_of(WriteBatch::AppendChunks{"id", 1, {sample_chunk(10, "again")}})),
               Code::kConflict);
}

void large_texts_survive(Store& store) {
  REQUIRE(store.commit(insertion_of("id")).ok());
  const std::string big(3'000'000, 'b');
  REQUIRE(store.commit(batch_of(WriteBatch::UpdateAction{"id", 2, big, big + "2"},
                                WriteBatch::AppendChunks{"id", 2, {sample_chunk(1, big), sample_chunk(2, "")}}))
              .ok());
  const auto plan = store.load_plan("id");
  REQUIRE(plan.ok());
  CHECK((plan->actions[1].input == big));
  CHECK((plan->actions[1].output == big + "2"));
  const auto all = chunks(store, "id", 2);
  REQUIRE(all.size() == 2);
  CHECK((all[0].output == big));
  CHECK(all[1].output.empty());
}

void unstorable_texts_are_refused(Store& store) {
  for (const std::string& bad : {"a\0b"s, "\xff"s, "\xc3"s}) {
    PlanRecord plan = sample_plan("id");
    plan.actions[0].input = bad;
    require_code(store.commit(batch_of(WriteBatch::InsertPlan{plan})), Code::kInvalid);
  }
  CHECK(count(store) == 0);
}

void statuses_of_many(Store& store) {
  std::vector<std::string> ids;
  WriteBatch batch;
  for (int i = 0; i < 1000; ++i) {
    ids.push_back("plan " + std::to_string(i));
    batch.add(insertion_of(ids.back()));
  }
  batch.add(WriteBatch::UpdatePlan{ids[7], sample_progress(PlanState::kStopped, PlanResult::kWarning)});
  REQUIRE(store.commit(std::move(batch)).ok());
  ids.push_back("unknown");
  auto statuses = store.load_statuses(ids);
  REQUIRE(statuses.ok());
  REQUIRE(statuses->size() == 1000);
  for (const PlanStatus& status : *statuses) {
    const bool is_changed = status.id == "plan 7";
    CHECK(status.state == (is_changed ? PlanState::kStopped : PlanState::kPlanned));
    CHECK(status.result == (is_changed ? PlanResult::kWarning : PlanResult::kPending));
  }
  CHECK(store.load_statuses({})->empty());
  CHECK(store.load_statuses({"unknown"})->empty());
}

void identities_and_sub_plans(Store& store) {
  REQUIRE(store.commit(insertion_of("parent")).ok());
  for (const char* id : {"child 1", "child 2"}) REQUIRE(store.commit(insertion_of(id, "parent")).ok());
  const auto identities = store.load_identities({"child 1", "parent", "unknown"});
  REQUIRE(identities.ok());
  REQUIRE(identities->size() == 2);
  const std::vector<PlanIdentity> expected = {{"child 1", "digest of child 1", "parent"},
                                              {"parent", "digest of parent", ""}};
  CHECK(std::is_permutation(identities->begin(), identities->end(), expected.begin()));
  const auto children = store.load_sub_plans("parent");
  REQUIRE(children.ok());
  REQUIRE(children->size() == 2);
  CHECK((*children)[0].id == "child 1");
  CHECK((*children)[1].id == "child 2");
  CHECK(store.load_sub_plans("child 1")->empty());
  CHECK(store.load_sub_plans("")->empty());
}

void counts_follow_states(Store& store) {
  for (const char* id : {"c", "a", "b"}) REQUIRE(store.commit(insertion_of(id)).ok());
  CHECK(count(store) == 3);
  CHECK(count(store, PlanState::kPlanned) == 3);
  REQUIRE(store.commit(batch_of(
                           WriteBatch::UpdatePlan{"a", sample_progress(PlanState::kRunning, PlanResult::kPending)},
                           WriteBatch::UpdatePlan{"a", sample_progress(PlanState::kStopped, PlanResult::kSuccess)},
                           WriteBatch::UpdatePlan{"b", sample_progress(PlanState::kRunning, PlanResult::kPending)}))
              .ok());
  CHECK(count(store) == 3);
  CHECK(count(store, PlanState::kPlanned) == 1);
  CHECK(count(store, PlanState::kRunning) == 1);
  CHECK(count(store, PlanState::kStopped) == 1);
  CHECK(unfinished(store) == std::vector<std::string>{"c", "b"});
  // A stopped plan may be written again.
  REQUIRE(store.commit(batch_of(
                           WriteBatch::UpdatePlan{"a", sample_progress(PlanState::kPaused, PlanResult::kError)})).ok());
  CHECK(count(store, PlanState::kStopped) == 0);
  CHECK(count(store, PlanState::kPaused) == 1);
  CHECK(unfinished(store) == std::vector<std::string>{"c", "a", "b"});
}

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

OutboxRecord without_version(OutboxRecord entry) {
  entry.version = 0;
  return entry;
}

void outbox_is_served_by_time(Store& store) {
  CHECK_FALSE(store.next_outbox_time()->has_value());
  REQUIRE(store.commit(batch_of(WriteBatch::InsertPlan{sample_plan("p")},
                                WriteBatch::PutOutbox{sample_outbox("late", "p", kSampleTime + 20s)},
                                WriteBatch::PutOutbox{sample_outbox("soon", "p", kSampleTime + 10s)},
                                WriteBatch::PutOutbox{sample_outbox("then", "p", kSampleTime + 10s)}))
              .ok());
  CHECK(*store.next_outbox_time() == kSampleTime + 10s);
  CHECK(store.load_due_outbox(kSampleTime + 9s, 10)->empty());
  auto due = store.load_due_outbox(kSampleTime + 20s, 10);
  REQUIRE(due.ok());
  REQUIRE(due->size() == 3);
  CHECK(without_version((*due)[0]) == sample_outbox("soon", "p", kSampleTime + 10s));
  CHECK((*due)[1].id == "then");
  CHECK((*due)[2].id == "late");
  CHECK(store.load_due_outbox(kSampleTime + 20s, 2)->size() == 2);

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
  due = store.load_due_outbox(kSampleTime + 100s, 10);
  REQUIRE(due.ok());
  REQUIRE(due->size() == 1);
  CHECK(without_version(due->front()) == without_version(retried));
  CHECK(*store.next_outbox_time() == kSampleTime + 60s);
}

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
  }
  const auto store = open();
  CHECK(count(*store) == 2);
  CHECK(count(*store, PlanState::kPlanned) == 1);
  CHECK(count(*store, PlanState::kStopped) == 1);
  CHECK(*store->load_plan("running") == sample_plan("running"));
  CHECK(chunks(*store, "running", 2) == std::vector<OutputChunk>{sample_chunk(1, "x")});
  CHECK(*store->load_events() == std::vector<EventRecord>{sample_event("e", "running")});
  CHECK(store->load_due_outbox(kSampleTime, 10)->size() == 1);
  CHECK(unfinished(*store) == std::vector<std::string>{"running"});
  REQUIRE(store->start().ok());
  require_code(store->commit(insertion_of("running")), Code::kConflict);
  CHECK(store->commit(insertion_of("next")).ok());
  CHECK(unfinished(*store) == std::vector<std::string>{"running", "next"});
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

}  // namespace

const std::vector<StoreTest>& store_tests() {
  static const std::vector<StoreTest> tests = {
      {"a plan is loaded as it was stored", plan_survives},
      {"ids are not interpreted", odd_ids_survive},
      {"a plan is updated", plan_is_updated},
      {"changes of unknown things are refused", changes_of_unknown_things_are_refused},
      {"a batch is all or nothing", batch_is_all_or_nothing},
      {"bad batches fail alone", bad_batches_fail_alone},
      {"batches keep their order", batches_keep_their_order},
      {"an empty batch succeeds", empty_batch_succeeds},
      {"chunks are read in parts", chunks_are_read_in_parts},
      {"large texts survive", large_texts_survive},
      {"texts that cannot be stored are refused", unstorable_texts_are_refused},
      {"statuses of many plans", statuses_of_many},
      {"identities and sub-plans", identities_and_sub_plans},
      {"counts follow the states", counts_follow_states},
      {"events wait in order", events_wait_in_order},
      {"the outbox is served by time", outbox_is_served_by_time},
      {"the cleaner removes what rests", cleaner_removes_what_rests},
      {"the cleaner spares undelivered callbacks", cleaner_spares_undelivered_callbacks},
      {"the cleaner works in slices", cleaner_takes_many_slices},
      {"a stopped store drains, then refuses", stopped_store_refuses},
      {"writes are seen once completed", writes_are_seen_after_completion},
  };
  return tests;
}

const std::vector<DurableStoreTest>& durable_store_tests() {
  static const std::vector<DurableStoreTest> tests = {
      {"everything survives reopening", everything_survives_reopening},
      {"destruction drains", destruction_drains},
      {"an unstarted store refuses writes", unstarted_store_refuses_writes},
  };
  return tests;
}

}  // namespace dynflow::persistence
