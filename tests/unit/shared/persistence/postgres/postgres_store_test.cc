#include "shared/persistence/postgres/postgres_store.h"

#include <catch2/catch.hpp>

#include "tests/unit/shared/persistence/postgres/cluster.h"
#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/store_suite.h"

namespace dynflow::persistence {
namespace {

Error refusal_of(const std::string& url) {
  StoreOptions options;
  options.database = url;
  const auto refused = open_postgres_store(options);
  REQUIRE_FALSE(refused.ok());
  return refused.error();
}

// The words of the counters and what is there.
void check_counts(const std::string& schema) {
  const char* difference =
      "SELECT count(*) FROM (SELECT state, sum(count)::bigint AS n FROM plan_counts GROUP BY state HAVING sum(count) <> 0) c"
      " FULL JOIN (SELECT state, count(*) AS n FROM plans GROUP BY state) p USING (state) WHERE c.n IS DISTINCT FROM p.n";
  CHECK(Cluster::get().execute(difference, schema) == "0");
}

}  // namespace

TEST_CASE("store suite on PostgreSQL", "[store]") {
  Cluster& cluster = Cluster::get();
  for (const StoreTest& test : store_tests()) {
    DYNAMIC_SECTION(test.name) {
      const std::string schema = cluster.make_schema();
      test.run(*open_started(cluster.url(schema)));
      check_counts(schema);
    }
  }
  for (const DurableStoreTest& test : durable_store_tests()) {
    DYNAMIC_SECTION(test.name) {
      const std::string schema = cluster.make_schema();
      test.run([&] { return open_store(cluster.url(schema)); });
      check_counts(schema);
    }
  }
  for (const SharedStoreTest& test : shared_store_tests()) {
    DYNAMIC_SECTION(test.name) {
      const std::string schema = cluster.make_schema();
      test.run([&] { return open_store(cluster.url(schema)); });
      check_counts(schema);
    }
  }
}

TEST_CASE("a PostgreSQL schema of a newer version is refused and left alone", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  REQUIRE(open_started(cluster.url(schema))->commit(insertion_of("id")).ok());
  cluster.execute("INSERT INTO dynflow_schema VALUES (99)", schema);
  const Error refused = refusal_of(cluster.url(schema));
  CHECK(refused.code() == Code::kInvalid);
  CHECK_THAT(refused.message(), Catch::Contains("version 99"));
  cluster.execute("DELETE FROM dynflow_schema WHERE version = 99", schema);
  CHECK(open_store(cluster.url(schema))->load_plan("id").ok());
}

TEST_CASE("numbers of rows in PostgreSQL have 64 bits", "[store][Q24]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  open_store(cluster.url(schema));
  const std::string columns = " FROM information_schema.columns WHERE table_schema = '" + schema + "' AND is_identity = 'YES'";
  CHECK(cluster.execute("SELECT count(*) > 0" + columns) == "t");
  CHECK(cluster.execute("SELECT string_agg(DISTINCT data_type, ' ')" + columns) == "bigint");
}

// Without statistics the server guesses, and must have no choice but to look for each row by its whole key.
TEST_CASE("a change of a step reads that step alone in a new PostgreSQL database", "[store]") {
  constexpr int kSteps = 1000;
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  const auto store = open_started(cluster.url(schema));
  PlanRecord plan = sample_plan("wide");
  plan.owner.clear();
  plan.actions.resize(1, plan.actions.front());
  plan.steps.resize(1, plan.steps.front());
  for (int id = 2; id <= kSteps; ++id) {
    plan.actions.push_back(plan.actions.front());
    plan.actions.back().id = id;
    plan.steps.push_back(plan.steps.front());
    plan.steps.back().id = plan.steps.back().action_id = id;
  }
  REQUIRE(store->commit(batch_of(WriteBatch::InsertPlan{plan})).ok());
  WriteBatch batch;
  for (const StepRecord& step : plan.steps) {
    batch.add(WriteBatch::UpdateStep{plan.id, step});
    batch.add(WriteBatch::UpdateAction{plan.id, step.action_id, "", "{}"});
  }
  REQUIRE(store->commit(std::move(batch)).ok());
  store->stop();  // connections that end tell what they have done
  for (const std::string table : {"steps", "actions"}) {
    const std::string of_table = " WHERE schemaname = '" + schema + "' AND relname = '" + table + "'";
    INFO(table);
    for (int i = 0; i < 200; ++i) {
      if (cluster.execute("SELECT n_tup_upd, pg_sleep(0.05) FROM pg_stat_user_tables" + of_table) == std::to_string(kSteps)) break;
    }
    CHECK(cluster.execute("SELECT n_tup_upd FROM pg_stat_user_tables" + of_table) == std::to_string(kSteps));
    CHECK(std::stoi(cluster.execute("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables" + of_table)) <= 2 * kSteps);
  }
}

TEST_CASE("a failed upgrade leaves a PostgreSQL database as it was", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  // Somebody else's table, in whose way one of ours would be.
  cluster.execute("CREATE TABLE outbox (mine text)", schema);
  const Error refused = refusal_of(cluster.url(schema));
  CHECK_THAT(refused.message(), Catch::Contains("outbox"));
  CHECK(cluster.execute("SELECT count(*) FROM pg_tables WHERE schemaname = '" + schema + "'") == "1");
  cluster.execute("DROP TABLE outbox", schema);
  CHECK(open_started(cluster.url(schema))->commit(insertion_of("id")).ok());
}

TEST_CASE("a PostgreSQL server that is of no use is refused with a reason and without the password", "[store]") {
  Cluster& cluster = Cluster::get();
  SECTION("not there") {
    const Error refused = refusal_of("postgresql://dynflow:hunter2hunter2@127.0.0.1:1/postgres");
    CHECK(refused.code() == Code::kUnavailable);
    CHECK_THAT(refused.message(), !Catch::Contains("hunter2"));
  }
  SECTION("no such database, and its name is the password") {
    const Error refused = refusal_of("postgresql://dynflow:hunter2@127.0.0.1:" + std::to_string(cluster.port()) + "/hunter2");
    CHECK(refused.code() == Code::kUnavailable);
    CHECK_THAT(refused.message(), !Catch::Contains("hunter2"));
  }
  SECTION("no such schema") {
    const Error refused = refusal_of(cluster.url("nowhere"));
    CHECK(refused.code() == Code::kInvalid);
    CHECK_THAT(refused.message(), Catch::Contains("schema"));
  }
  SECTION("another encoding") {
    cluster.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    const Error refused = refusal_of("postgres://dynflow@127.0.0.1:" + std::to_string(cluster.port()) + "/latin");
    CHECK(refused.code() == Code::kInvalid);
    CHECK_THAT(refused.message(), Catch::Contains("UTF8"));
  }
}

}  // namespace dynflow::persistence
