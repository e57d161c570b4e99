#include "shared/persistence/sqlite/sqlite_store.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <future>

#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/sqlite/scratch_folder.h"
#include "tests/unit/shared/persistence/store_suite.h"

namespace dynflow::persistence {
namespace {

std::unique_ptr<Store> open_memory(StoreOptions options = {}) {
  auto store = open_sqlite_store(options);
  REQUIRE(store.ok());
  return std::move(*store);
}

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

}  // namespace

TEST_CASE("store suite in memory", "[store]") {
  for (const StoreTest& test : store_tests()) {
    DYNAMIC_SECTION(test.name) {
      const auto store = open_memory();
      REQUIRE(store->start().ok());
      test.run(*store);
    }
  }
}

TEST_CASE("store suite on a file", "[store]") {
  const ScratchFolder folder;
  for (const StoreTest& test : store_tests()) {
    DYNAMIC_SECTION(test.name) { test.run(*folder.open_started()); }
  }
  for (const DurableStoreTest& test : durable_store_tests()) {
    DYNAMIC_SECTION(test.name) {
      test.run([&] { return folder.open(); });
    }
  }
}

TEST_CASE("a database of the first version is brought up to date", "[store][S20]") {
  const ScratchFolder folder;
  {
    const auto store = folder.open_started();
    REQUIRE(store->commit(batch_of(WriteBatch::InsertPlan{sample_plan("id")}, WriteBatch::PutEvent{sample_event("e", "id")},
                                   WriteBatch::PutOutbox{sample_outbox("o", "id")}))
                .ok());
  }
  folder.execute(
      "DROP INDEX plans_orphaned; DROP TRIGGER plan_removed; DROP TABLE dependencies; DROP TABLE delayed_plans; DROP TABLE secrets; DROP TABLE output_ends; DROP TABLE locks; DROP TABLE worlds;"
      "ALTER TABLE plans DROP COLUMN owner; ALTER TABLE events DROP COLUMN due_at;"
      "ALTER TABLE outbox DROP COLUMN version; PRAGMA user_version = 1");
  const auto store = folder.open_started();
  PlanRecord plan = sample_plan("id");
  plan.owner.clear();
  CHECK(*store->load_plan("id") == plan);
  CHECK(*store->load_events() == std::vector<EventRecord>{sample_event("e", "id")});
  const auto due = store->load_due_outbox(kSampleTime, 10, {});
  REQUIRE(due.ok());
  REQUIRE(due->size() == 1);
  // An entry of that time can be finished like any other.
  REQUIRE(store->commit(batch_of(WriteBatch::DeleteOutbox{"o", due->front().version})).ok());
  CHECK(store->load_due_outbox(kSampleTime, 10, {})->empty());
  REQUIRE(store->join({"world", "{}", {}, false}, std::chrono::seconds(1)).ok());
}

TEST_CASE("one process has the file, so leases never end", "[store]") {
  const ScratchFolder folder;
  const auto store = folder.open_started();
  CHECK_FALSE(store->is_shared());
  REQUIRE(store->join({"world", "{}", {}, false}, Duration::zero()).ok());
  CHECK(store->declare_dead()->empty());
  CHECK(store->load_worlds()->front().is_alive);
  CHECK(store->commit(insertion_of("id")).ok());
  CHECK(store->renew().ok());
}

TEST_CASE("each store in memory is its own", "[store]") {
  const auto one = open_memory();
  const auto other = open_memory();
  REQUIRE(one->start().ok());
  REQUIRE(other->start().ok());
  REQUIRE(one->commit(insertion_of("id")).ok());
  CHECK(*one->count_plans(std::nullopt) == 1);
  CHECK(*other->count_plans(std::nullopt) == 0);
}

TEST_CASE("files are made for the group to read and nobody else", "[store]") {
  const ScratchFolder folder;
  const mode_t before = ::umask(0);
  StoreOptions options;
  options.database = folder.path() + "/deep/er/db.sqlite";
  auto store = open_sqlite_store(options);
  ::umask(before);
  REQUIRE(store.ok());
  REQUIRE((*store)->start().ok());
  REQUIRE((*store)->commit(insertion_of("id")).ok());
  CHECK(mode_of(folder.path() + "/deep") == 0750);
  CHECK(mode_of(folder.path() + "/deep/er") == 0750);
  CHECK(mode_of(options.database) == 0640);
  CHECK(mode_of(options.database + "-wal") == 0640);
  CHECK(mode_of(options.database + "-shm") == 0640);
  CHECK(mode_of(options.database + ".lock") == 0640);
}

TEST_CASE("the store is congested while too much waits", "[store]") {
  StoreOptions options;
  options.congestion_limit = 3;
  const auto store = open_memory(options);
  REQUIRE(store->start().ok());
  CHECK_FALSE(store->is_congested());
  std::promise<void> entered;
  std::promise<void> go_on;
  store->submit(insertion_of("0"), Durability::kFull, [&](const Status&) {
    entered.set_value();
    go_on.get_future().wait();  // the writer is held up here
  });
  entered.get_future().wait();
  for (int i = 1; i <= 3; ++i) store->submit(insertion_of(std::to_string(i)), Durability::kFull, {});
  CHECK_FALSE(store->is_congested());
  std::promise<void> last;
  store->submit(insertion_of("4"), Durability::kFull, [&](const Status&) { last.set_value(); });
  CHECK(store->is_congested());
  go_on.set_value();
  last.get_future().wait();
  CHECK_FALSE(store->is_congested());
  CHECK(*store->count_plans(std::nullopt) == 5);  // nothing was refused
}

TEST_CASE("a schema of a newer version is refused and left alone", "[store]") {
  const ScratchFolder folder;
  { REQUIRE(folder.open_started()->commit(insertion_of("id")).ok()); }
  folder.execute("PRAGMA user_version = 99");
  StoreOptions options;
  options.database = folder.file();
  const auto refused = open_sqlite_store(options);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kInvalid);
  CHECK_THAT(refused.error().message(), Catch::Contains("version 99"));
  folder.execute("PRAGMA user_version = 5");
  CHECK(folder.open()->load_plan("id").ok());
}

TEST_CASE("a failed upgrade leaves the database as it was", "[store]") {
  const ScratchFolder folder;
  // Somebody else's database, in whose way the last table of ours would be.
  folder.execute("CREATE TABLE outbox (mine TEXT); INSERT INTO outbox VALUES ('kept')");
  StoreOptions options;
  options.database = folder.file();
  CHECK_FALSE(open_sqlite_store(options).ok());
  folder.execute("CREATE TABLE plans (free TEXT)");
  folder.execute("DROP TABLE plans; DROP TABLE outbox");
  CHECK(folder.open_started()->commit(insertion_of("id")).ok());
}

TEST_CASE("another program's tables may live in the same file", "[store]") {
  const ScratchFolder folder;
  folder.execute("CREATE TABLE dynflow_execution_plans (uuid char(36)); CREATE TABLE schema_info (version integer)");
  CHECK(folder.open_started()->commit(insertion_of("id")).ok());
  folder.execute("INSERT INTO dynflow_execution_plans VALUES ('x')");
}

}  // namespace dynflow::persistence
