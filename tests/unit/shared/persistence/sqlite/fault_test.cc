// Stores on bad ground: full and read-only disks, damaged files.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <future>
#include <string>

#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/sqlite/scratch_folder.h"
#include "tests/unit/shared/persistence/sqlite/writer_process.h"

namespace dynflow::persistence {
namespace {

// Fills a store that may not grow above 1 MB, frees space, and goes on.
void fill_and_recover(StoreOptions options) {
  options.max_bytes = 1 << 20;
  auto opened = open_sqlite_store(options);
  REQUIRE(opened.ok());
  Store& store = **opened;
  REQUIRE(store.start().ok());
  std::int64_t stored = 0;
  Status status;
  while (status.ok() && stored < 10'000) {
    status = store.commit(finished_plan(std::to_string(stored), kSampleTime), Durability::kRelaxed);
    if (status.ok()) ++stored;
  }
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code() == Code::kUnavailable);
  CHECK(stored > 100);
  CHECK(*store.count_plans(std::nullopt) == stored);
  CHECK(store.load_plan("0").ok());  // it can still be read
  const auto removed = store.clean(kSampleTime + std::chrono::seconds(1), 100);
  REQUIRE(removed.ok());
  CHECK(*removed == 100);
  CHECK(store.commit(insertion_of("after")).ok());
  CHECK(*store.count_plans(std::nullopt) == stored - 100 + 1);
}

}  // namespace

TEST_CASE("a full database refuses writes until there is room", "[store]") {
  SECTION("in memory") { fill_and_recover({}); }
  SECTION("on a file") {
    const ScratchFolder folder;
    StoreOptions options;
    options.database = folder.file();
    fill_and_recover(options);
  }
}

TEST_CASE("a batch that does not fit does not take others with it", "[store]") {
  StoreOptions options;
  options.max_bytes = 1 << 20;
  auto opened = open_sqlite_store(options);
  REQUIRE(opened.ok());
  Store& store = **opened;
  REQUIRE(store.start().ok());
  // Held up, so that the three below share a transaction.
  std::promise<void> go_on;
  store.submit(insertion_of("first"), Durability::kFull, [&](const Status&) { go_on.get_future().wait(); });
  PlanRecord huge = sample_plan("huge");
  huge.actions[0].input = std::string(3 << 20, 'x');
  std::vector<bool> outcomes;
  std::promise<void> done;
  const auto note = [&](const Status& status) {
    outcomes.push_back(status.ok());
    if (outcomes.size() == 3) done.set_value();
  };
  store.submit(insertion_of("small 1"), Durability::kFull, note);
  store.submit(batch_of(WriteBatch::InsertPlan{huge}), Durability::kFull, note);
  store.submit(insertion_of("small 2"), Durability::kFull, note);
  go_on.set_value();
  done.get_future().wait();
  CHECK(outcomes == std::vector<bool>{true, false, true});
  CHECK(*store.count_plans(std::nullopt) == 3);
}

TEST_CASE("a disk that takes no more bytes fails batches, and the store recovers", "[store][X07]") {
  const ScratchFolder folder;
  WriterProcess writer({"limited", folder.file(), std::to_string(400'000)});
  CHECK(writer.read_line() == "unavailable");
  CHECK(writer.read_line() == "again ok");
  const auto stored = writer.read_line();
  REQUIRE(stored);
  while (writer.read_line()) {
  }
  CHECK(*folder.open()->count_plans(std::nullopt) == std::stol(*stored));
}

TEST_CASE("a read-only folder is refused", "[store]") {
  const ScratchFolder folder;
  REQUIRE(::chmod(folder.path().c_str(), 0555) == 0);
  WriterProcess writer({"try", folder.file()});
  CHECK(writer.read_line() == "unavailable");
  REQUIRE(::chmod(folder.path().c_str(), 0777) == 0);
  WriterProcess again({"try", folder.file()});
  CHECK(again.read_line() == "open");
}

TEST_CASE("a read-only database file is refused", "[store]") {
  const ScratchFolder folder;
  { REQUIRE(folder.open_started()->commit(insertion_of("id")).ok()); }
  REQUIRE(::chmod(folder.path().c_str(), 0777) == 0);
  REQUIRE(::chmod((folder.file() + ".lock").c_str(), 0666) == 0);
  REQUIRE(::chmod(folder.file().c_str(), 0444) == 0);
  WriterProcess writer({"try", folder.file()});
  CHECK(writer.read_line() == "unavailable");
  const auto text = writer.read_line();
  REQUIRE(text);
  CHECK_THAT(*text, Catch::Contains(folder.file()) && Catch::Contains("Permission denied"));
  CHECK(folder.open()->load_plan("id").ok());  // as the superuser, or after chmod
}

TEST_CASE("what is no database is refused", "[store]") {
  const ScratchFolder folder;
  std::ofstream(folder.file()) << std::string(10'000, 'x');
  StoreOptions options;
  options.database = folder.file();
  const auto refused = open_sqlite_store(options);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kCorrupt);
  CHECK_THAT(refused.error().message(), Catch::Contains(folder.file()) && Catch::Contains("not a database"));
}

TEST_CASE("a database cut off in the middle is refused or its plans are", "[store]") {
  const ScratchFolder folder;
  {
    const auto store = folder.open_started();
    WriteBatch batch;
    for (int i = 0; i < 500; ++i) batch.add(insertion_of(std::to_string(i)));
    REQUIRE(store->commit(std::move(batch)).ok());
  }
  // Rows of the end overwritten, the beginning with the schema left.
  std::fstream file(folder.file(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(0, std::ios::end);
  const auto size = static_cast<std::int64_t>(file.tellp());
  file.seekp(size / 2);
  file << std::string(static_cast<std::size_t>(size / 2), '\xA5');
  file.close();
  StoreOptions options;
  options.database = folder.file();
  const auto opened = open_sqlite_store(options);
  if (!opened.ok()) {
    CHECK(opened.error().code() == Code::kCorrupt);
    return;
  }
  int damaged = 0;
  for (int i = 0; i < 500; ++i) {
    const auto plan = (*opened)->load_plan(std::to_string(i));
    if (plan.ok()) continue;
    ++damaged;
    CHECK((plan.error().code() == Code::kCorrupt || plan.error().code() == Code::kNotFound));
  }
  CHECK(damaged > 0);
}

TEST_CASE("a damaged row is that plan's trouble only", "[store]") {
  const ScratchFolder folder;
  {
    const auto store = folder.open_started();
    for (const char* id : {"good", "history", "state", "step", "error"}) {
      REQUIRE(store->commit(insertion_of(id, "parent")).ok());
    }
  }
  folder.execute("UPDATE plans SET history = '{' WHERE id = 'history'");
  folder.execute("UPDATE plans SET state = 'strange' WHERE id = 'state'");
  folder.execute("UPDATE steps SET phase = 'x' WHERE plan = (SELECT number FROM plans WHERE id = 'step') AND id = 2");
  folder.execute("UPDATE steps SET error = '1' WHERE plan = (SELECT number FROM plans WHERE id = 'error') AND id = 2");
  const auto store = folder.open_started();
  for (const char* id : {"history", "state", "step", "error"}) {
    CAPTURE(id);
    const auto plan = store->load_plan(id);
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().code() == Code::kCorrupt);
    CHECK_THAT(plan.error().message(), Catch::Contains(id));
  }
  CHECK(store->load_plan("good").ok());
  const auto statuses = store->load_statuses({"good", "state"});
  REQUIRE(statuses.ok());
  REQUIRE(statuses->size() == 2);
  CHECK((*statuses)[0] == PlanStatus{"good", PlanState::kPlanned, PlanResult::kPending});
  CHECK((*statuses)[1] == PlanStatus{"state", PlanState::kPaused, PlanResult::kError});
  CHECK(store->load_sub_plans("parent")->size() == 5);
  CHECK(store->load_unfinished()->size() == 5);
  CHECK(*store->count_plans(std::nullopt) == 5);
  CHECK(*store->count_plans(PlanState::kPaused) == 1);
  // It can be put right by writing it, and the counts stay exact.
  REQUIRE(store->commit(batch_of(WriteBatch::UpdatePlan{
                            "state", sample_progress(PlanState::kStopped, PlanResult::kError)})).ok());
  CHECK(store->load_plan("state").ok());
  CHECK(*store->count_plans(PlanState::kPaused) == 0);
  CHECK(*store->count_plans(PlanState::kStopped) == 1);
}

TEST_CASE("a damaged plan does not keep others from being claimed, found, swept and cleaned", "[store]") {
  const ScratchFolder folder;
  {
    const auto store = folder.open_started();
    for (const char* id : {"good", "state", "history", "waits"}) REQUIRE(store->commit(insertion_of(id)).ok());
    DelayedRecord delayed;
    delayed.plan_id = "waits";
    delayed.blocked_by = {"state", "history"};
    REQUIRE(store->commit(batch_of(WriteBatch::PutDelayed{delayed})).ok());
  }
  folder.execute("UPDATE plans SET state = 'strange', resting_since = 0 WHERE id = 'state'");
  folder.execute("UPDATE plans SET history = '{' WHERE id = 'history'");
  const auto store = folder.open_started();
  REQUIRE(store->join({"world", "{}", {}, false}, std::chrono::seconds(1)).ok());
  const auto claimed = store->claim_orphans(10);
  REQUIRE(claimed.ok());
  CHECK(*claimed == std::vector<std::string>{"good", "history", "waits"});
  const auto found = store->find_plans({}, {});
  REQUIRE(found.ok());
  REQUIRE(found->size() == 4);
  CHECK((*found)[1].state == PlanState::kPaused);
  CHECK((*found)[1].result == PlanResult::kError);
  CHECK((*found)[2].history.empty());
  CHECK(store->load_ready_delayed(kSampleTime, 10)->empty());
  const auto prerequisites = store->load_prerequisites("waits");
  REQUIRE(prerequisites.ok());
  CHECK((*prerequisites)[1] == Prerequisite{"state", PlanState::kPaused, PlanResult::kPending});
  CHECK(store->sweep().ok());
  CHECK(*store->clean(kSampleTime, 10) == 1);
  CHECK(*store->count_plans(std::nullopt) == 3);
  CHECK(*store->count_plans(PlanState::kPaused) == 0);
  CHECK((*store->load_prerequisites("waits"))[1] == Prerequisite{"state", PlanState::kStopped, PlanResult::kError});
}

}  // namespace dynflow::persistence
