#include <catch2/catch.hpp>
#include <future>
#include <mutex>
#include <string>

#include "shared/persistence/output_ends.h"
#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/suite/probes.h"
#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

void plan_survives(Store& store) {
  const PlanRecord plan = sample_plan("id", "caller");
  REQUIRE(store.commit(batch_of(WriteBatch::InsertPlan{plan})).ok());
  const auto loaded = store.load_plan("id");
  REQUIRE(loaded.ok());
  CHECK(*loaded == plan);
  for (const ActionRecord& action : plan.actions) {
    const auto one = store.load_action("id", action.id);
    REQUIRE(one.ok());
    CHECK(*one == action);
  }
  require_code(store.load_action("id", 99), Code::kNotFound);
  require_code(store.load_action("other", 1), Code::kNotFound);
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

void unstorable_texts_are_refused(Store& store) {
  for (const std::string& bad : {"a\0b"s, "\xff"s, "\xc3"s}) {
    PlanRecord plan = sample_plan("id");
    plan.actions[0].input = bad;
    require_code(store.commit(batch_of(WriteBatch::InsertPlan{plan})), Code::kInvalid);
  }
  CHECK(count(store) == 0);
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

void chunks_are_dropped(Store& store) {
  for (const char* id : {"id", "other"}) {
    REQUIRE(store.commit(insertion_of(id)).ok());
    for (const int action : {1, 2}) {
      const WriteBatch::AppendChunks append{id, action, {sample_chunk(1, "a"), sample_chunk(2, "b")}};
      REQUIRE(store.commit(batch_of(append)).ok());
    }
  }
  REQUIRE(store.commit(batch_of(WriteBatch::DropChunks{"id", 2})).ok());
  CHECK(chunks(store, "id", 2).empty());
  CHECK(chunks(store, "id", 1).size() == 2);
  CHECK(chunks(store, "other", 2).size() == 2);
  // Before and after others in one batch: what came earlier goes, what comes later stays.
  REQUIRE(store
              .commit(batch_of(WriteBatch::AppendChunks{"id", 1, {sample_chunk(3, "c")}}, WriteBatch::DropChunks{"id", 1},
                               WriteBatch::AppendChunks{"id", 1, {sample_chunk(4, "d")}},
                               WriteBatch::DropChunks{"id", 2}))
              .ok());
  const auto left = chunks(store, "id", 1);
  REQUIRE(left.size() == 1);
  CHECK(left.front() == sample_chunk(4, "d"));
  CHECK(chunks(store, "id", 1, 3).size() == 1);
  // Twice, and a number that is free again.
  REQUIRE(store
              .commit(batch_of(WriteBatch::DropChunks{"id", 1}, WriteBatch::DropChunks{"id", 1},
                               WriteBatch::AppendChunks{"id", 1, {sample_chunk(1, "e")}}))
              .ok());
  CHECK(chunks(store, "id", 1) == std::vector<OutputChunk>{sample_chunk(1, "e")});
  require_code(store.commit(batch_of(WriteBatch::DropChunks{"unknown", 1})), Code::kNotFound);
}

void output_ends_are_known(Store& store) {
  OutputEnds& ends = output_ends_of(store);
  const auto end_of = [&](int action) { return ends.load_output_end("id", action).value(); };
  require_code(ends.load_output_end("id", 1), Code::kNotFound);
  REQUIRE(store.commit(insertion_of("id")).ok());
  CHECK(end_of(1) == OutputEnd());
  const OutputChunk last = sample_chunk(7, "b");
  REQUIRE(store.commit(batch_of(WriteBatch::AppendChunks{"id", 1, {sample_chunk(1, "a"), last}})).ok());
  CHECK(end_of(1) == OutputEnd{7, last.timestamp});
  CHECK(end_of(2) == OutputEnd());
  REQUIRE(store.commit(batch_of(WriteBatch::DropChunks{"id", 1}, WriteBatch::DropChunks{"id", 2})).ok());
  CHECK(end_of(1) == OutputEnd{7, last.timestamp});
  CHECK(end_of(2) == OutputEnd());
  // Nothing is there to be dropped any more, and then something again.
  REQUIRE(store.commit(batch_of(WriteBatch::DropChunks{"id", 1})).ok());
  CHECK(end_of(1).sequence == 7);
  REQUIRE(store.commit(batch_of(WriteBatch::AppendChunks{"id", 1, {sample_chunk(8, "c")}})).ok());
  CHECK(end_of(1).sequence == 8);
  REQUIRE(store.commit(batch_of(WriteBatch::AppendChunks{"id", 1, {sample_chunk(9, "d")}}, WriteBatch::DropChunks{"id", 1})).ok());
  CHECK(end_of(1).sequence == 9);
  // It goes with the plan.
  REQUIRE(store.commit(batch_of(WriteBatch::UpdatePlan{"id", sample_progress(PlanState::kStopped, PlanResult::kSuccess)})).ok());
  REQUIRE(*store.clean(kSampleTime + std::chrono::hours(1), 10) == 1);
  REQUIRE(store.commit(insertion_of("id")).ok());
  CHECK(end_of(1) == OutputEnd());
}

void plan_is_replaced(Store& store) {
  REQUIRE(store.commit(insertion_of("before")).ok());
  PlanRecord scheduled;
  scheduled.id = "id";
  scheduled.state = PlanState::kScheduled;
  scheduled.steps = {sample_plan("x").steps[0]};
  scheduled.actions = {sample_plan("x").actions[0]};
  REQUIRE(store.commit(batch_of(WriteBatch::InsertPlan{scheduled}, WriteBatch::PutEvent{sample_event("e", "id")},
                                WriteBatch::AppendChunks{"id", 1, {sample_chunk(1, "kept")}}))
              .ok());
  REQUIRE(store.commit(insertion_of("after")).ok());
  const PlanRecord planned = sample_plan("id", "caller");
  REQUIRE(store.commit(batch_of(WriteBatch::ReplacePlan{planned})).ok());
  CHECK(get(store.load_plan("id")) == planned);
  CHECK(unfinished(store) == std::vector<std::string>{"before", "id", "after"});
  CHECK(count(store, PlanState::kScheduled) == 0);
  CHECK(count(store, PlanState::kPlanned) == 3);
  CHECK(chunks(store, "id", 1).size() == 1);
  CHECK(get(store.load_events_of("id")).size() == 1);
  CHECK(get(store.load_sub_plans("caller")).size() == 1);

  // A replaced plan goes on like any other, within the same batch too; what it has no more cannot be written.
  StepRecord step = planned.steps[3];
  step.state = StepState::kSuccess;
  REQUIRE(store.commit(batch_of(WriteBatch::UpdateStep{"id", step},
                                WriteBatch::UpdatePlan{"id", sample_progress(PlanState::kStopped, PlanResult::kError)},
                                WriteBatch::ReplacePlan{scheduled}))
              .ok());
  CHECK(get(store.load_plan("id")) == scheduled);
  CHECK(count(store, PlanState::kStopped) == 0);
  CHECK(get(store.load_sub_plans("caller")).empty());
  require_code(store.commit(batch_of(WriteBatch::UpdateStep{"id", step})), Code::kNotFound);
  require_code(store.commit(batch_of(WriteBatch::ReplacePlan{sample_plan("unknown")})), Code::kNotFound);
}

}  // namespace

std::vector<StoreTest> plan_tests() {
  return {
      {"a plan is loaded as it was stored", "[S01][S10][S22]", plan_survives},
      {"ids are not interpreted", "[Q20]", odd_ids_survive},
      {"a plan is updated", "[S10]", plan_is_updated},
      {"a plan is replaced", "", plan_is_replaced},
      {"changes of unknown things are refused", "", changes_of_unknown_things_are_refused},
      {"a batch is all or nothing", "", batch_is_all_or_nothing},
      {"bad batches fail alone", "", bad_batches_fail_alone},
      {"batches keep their order", "", batches_keep_their_order},
      {"an empty batch succeeds", "", empty_batch_succeeds},
      {"chunks are read in parts", "[S17]", chunks_are_read_in_parts},
      {"chunks are dropped", "[S17]", chunks_are_dropped},
      {"where output ends is known, also when it was dropped", "[S17]", output_ends_are_known},
      {"large texts survive", "[S22]", large_texts_survive},
      {"texts that cannot be stored are refused", "", unstorable_texts_are_refused},
  };
}

}  // namespace dynflow::persistence
