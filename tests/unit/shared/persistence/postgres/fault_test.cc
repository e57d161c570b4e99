// The server goes away, connections are cut, answers are lost: nothing that was completed is lost, nothing is applied twice.
#include <catch2/catch.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "shared/persistence/postgres/postgres_store.h"
#include "tests/unit/shared/persistence/postgres/cluster.h"
#include "tests/unit/shared/persistence/postgres/proxy.h"
#include "tests/unit/shared/persistence/sample_plans.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;

// Batches that cannot be applied twice: each inserts a plan.
class Load {
 public:
  explicit Load(Store& store) : store_(store) {}

  // Submits so many, of which no more than a few wait at any time.
  void submit(int count) {
    for (int i = 0; i < count; ++i) {
      const int number = submitted_++;
      store_.submit(insertion_of("plan " + std::to_string(number)), Durability::kFull, [this](const Status& status) {
        const std::lock_guard lock(mutex_);
        if (!status.ok()) failures_.push_back(status.error().message());
        ++completed_;
        changed_.notify_all();
      });
    }
  }
  void wait() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, 120s, [&] { return completed_ == submitted_; }));
  }
  std::vector<std::string> failures() {
    const std::lock_guard lock(mutex_);
    return failures_;
  }
  int submitted() const { return submitted_; }

 private:
  Store& store_;
  int submitted_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  int completed_ = 0;
  std::vector<std::string> failures_;
};

std::string stored(const std::string& schema) { return Cluster::get().execute("SELECT count(*) FROM plans", schema); }
std::string counted(const std::string& schema) {
  return Cluster::get().execute("SELECT sum(count) FROM plan_counts", schema);
}

}  // namespace

TEST_CASE("a commit whose answer was lost is neither repeated nor reported as failed", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  Proxy proxy(cluster.port());
  const auto store = open_started(cluster.url(schema, proxy.port()));
  REQUIRE(store->commit(insertion_of("before")).ok());
  const Proxy::Cut cut = GENERATE(Proxy::Cut::kBeforeAnswer, Proxy::Cut::kBeforeCommit);
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    const std::string id = std::to_string(round);
    proxy.cut_next(cut);
    const Status inserted = store->commit(insertion_of(id));
    CHECK(inserted.ok());
    CHECK(proxy.has_cut());
    // In a group with one that fails alone.
    proxy.cut_next(cut);
    std::promise<Status> good;
    std::promise<Status> bad;
    store->submit(insertion_of("good " + id), Durability::kFull, [&](Status status) { good.set_value(std::move(status)); });
    store->submit(insertion_of(id), Durability::kFull, [&](Status status) { bad.set_value(std::move(status)); });
    CHECK(good.get_future().get().ok());
    const Status refused = bad.get_future().get();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() == Code::kConflict);
  }
  CHECK(stored(schema) == "7");
  CHECK(counted(schema) == "7");
}

TEST_CASE("connections that are cut in the middle of writes lose nothing", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  Proxy proxy(cluster.port());
  const auto store = open_started(cluster.url(schema, proxy.port()));
  Load load(*store);
  for (int round = 0; round < 12; ++round) {
    load.submit(40);
    if (round % 3 == 2) load.wait();
    proxy.cut_all();
    CHECK(store->count_plans(std::nullopt).ok());  // readers come back at once
  }
  load.wait();
  CHECK(load.failures() == std::vector<std::string>{});
  CHECK(stored(schema) == std::to_string(load.submitted()));
  CHECK(counted(schema) == stored(schema));
}

TEST_CASE("while the server is away writes wait for it and reads fail soon", "[store][X07]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  const auto store = open_started(cluster.url(schema));
  REQUIRE(store->commit(insertion_of("before")).ok());
  Load load(*store);
  for (const char* mode : {"fast", "immediate"}) {
    CAPTURE(mode);
    load.submit(100);
    cluster.stop(mode);
    load.submit(100);
    const auto begun = std::chrono::steady_clock::now();
    const auto refused = store->load_plan("before");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() == Code::kUnavailable);
    CHECK(std::chrono::steady_clock::now() - begun < 15s);
    cluster.start();
    load.wait();
    CHECK(load.failures() == std::vector<std::string>{});
    // A moment after a refusal readers try again.
    const auto soon = std::chrono::steady_clock::now() + 15s;
    bool is_read = false;
    while (!is_read && std::chrono::steady_clock::now() < soon) is_read = store->load_plan("before").ok();
    CHECK(is_read);
  }
  CHECK(stored(schema) == std::to_string(load.submitted() + 1));
  CHECK(counted(schema) == stored(schema));
}

TEST_CASE("a store that is stopped while the server is away gives up", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  Proxy proxy(cluster.port());
  const auto store = open_started(cluster.url(schema, proxy.port()));
  REQUIRE(store->commit(insertion_of("before")).ok());
  proxy.let_in(false);
  proxy.cut_all();
  std::promise<Status> outcome;
  store->submit(insertion_of("lost"), Durability::kFull, [&](Status status) { outcome.set_value(std::move(status)); });
  store->stop();
  const Status refused = outcome.get_future().get();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kUnavailable);
  CHECK(stored(schema) == "1");
}

TEST_CASE("a wake comes after a lost connection and its messages are heard again", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  Proxy proxy(cluster.port());
  const auto owner = open_store(cluster.url(schema, proxy.port()));
  std::mutex mutex;
  std::condition_variable changed;
  int wakes = 0;
  const auto wait_for_wake = [&] {
    std::unique_lock lock(mutex);
    const bool was_woken = changed.wait_for(lock, 10s, [&] { return wakes > 0; });
    wakes = 0;
    return was_woken;
  };
  owner->set_wake([&] {
    const std::lock_guard lock(mutex);
    ++wakes;
    changed.notify_all();
  });
  REQUIRE(owner->start().ok());
  REQUIRE(owner->join({"owner", "{}", {}, false}, 1h).ok());
  CHECK(wait_for_wake());  // it listens
  proxy.cut_all();
  CHECK(wait_for_wake());
  PlanRecord plan = sample_plan("id");
  plan.owner = "owner";
  REQUIRE(owner->commit(batch_of(WriteBatch::InsertPlan{plan})).ok());
  const auto other = open_started(cluster.url(schema));
  // The listener may need some tries.
  bool was_heard = false;
  for (int i = 0; i < 20 && !was_heard; ++i) {
    REQUIRE(other->commit(batch_of(WriteBatch::WakeOwner{"id"})).ok());
    was_heard = wait_for_wake();
  }
  CHECK(was_heard);
  owner->stop();
}

TEST_CASE("a server that becomes read-only refuses writes and is read on", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  const auto store = open_started(cluster.url(schema));
  REQUIRE(store->commit(insertion_of("before")).ok());
  struct ReadOnly {
    ReadOnly() { set("on"); }
    ~ReadOnly() { set("off"); }
    static void set(const std::string& value) {
      Cluster::get().execute("ALTER SYSTEM SET default_transaction_read_only = " + value);
      Cluster::get().execute("SELECT pg_reload_conf()");
    }
  };
  const auto soon = std::chrono::steady_clock::now() + 30s;
  {
    const ReadOnly meanwhile;
    Status refused;
    for (int i = 0; refused.ok() && std::chrono::steady_clock::now() < soon; ++i) {
      refused = store->commit(insertion_of("at first " + std::to_string(i)));  // until the reload has reached the writer
    }
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() == Code::kUnavailable);
    CHECK_THAT(refused.error().message(), Catch::Contains("read-only"));
    CHECK(store->load_plan("before").ok());
    CHECK(store->clean(kSampleTime, 10).error().code() == Code::kUnavailable);
    StoreOptions options;
    options.database = cluster.url(schema);
    const auto opened = open_postgres_store(options);
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code() == Code::kUnavailable);
    CHECK_THAT(opened.error().message(), Catch::Contains("PostgreSQL") && Catch::Contains("read-only"));
  }
  bool is_written = false;
  while (!is_written && std::chrono::steady_clock::now() < soon) is_written = store->commit(insertion_of("after")).ok();
  CHECK(is_written);
  CHECK(counted(schema) == stored(schema));
}

TEST_CASE("a damaged row in PostgreSQL is that plan's trouble only", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  {
    const auto store = open_started(cluster.url(schema));
    for (const char* id : {"good", "history", "step", "error"}) REQUIRE(store->commit(insertion_of(id, "parent")).ok());
    DelayedRecord delayed;
    delayed.plan_id = "good";
    delayed.blocked_by = {"history"};
    REQUIRE(store->commit(batch_of(WriteBatch::PutDelayed{delayed})).ok());
  }
  const auto number = [](const std::string& id) { return "(SELECT number FROM plans WHERE id = '" + id + "')"; };
  cluster.execute("UPDATE plans SET history = '{', resting_since = 0 WHERE id = 'history'", schema);
  cluster.execute("UPDATE steps SET phase = 'x' WHERE id = 2 AND plan = " + number("step"), schema);
  cluster.execute("UPDATE steps SET error = '1' WHERE id = 2 AND plan = " + number("error"), schema);
  const auto store = open_started(cluster.url(schema));
  for (const char* id : {"history", "step", "error"}) {
    CAPTURE(id);
    const auto plan = store->load_plan(id);
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().code() == Code::kCorrupt);
    CHECK_THAT(plan.error().message(), Catch::Contains(id));
  }
  CHECK(store->load_plan("good").ok());
  CHECK(store->load_statuses({"good", "history"})->size() == 2);
  CHECK(store->load_sub_plans("parent")->size() == 4);
  const auto found = store->find_plans({}, {});
  REQUIRE(found.ok());
  CHECK(found->size() == 4);
  REQUIRE(store->join({"world", "{}", {}, false}, 1h).ok());
  const auto claimed = store->claim_orphans(10);
  REQUIRE(claimed.ok());
  CHECK(claimed->size() == 4);
  CHECK(store->load_ready_delayed(kSampleTime, 10)->empty());
  CHECK(store->load_prerequisites("good")->size() == 1);
  CHECK(store->sweep().ok());
  // It can be removed, and put right.
  CHECK(*store->clean(kSampleTime, 10) == 1);
  CHECK(store->load_plan("history").error().code() == Code::kNotFound);
  StepRecord step = sample_plan("error").steps[1];
  REQUIRE(store->commit(batch_of(WriteBatch::UpdateStep{"error", step})).ok());
  CHECK(store->load_plan("error").ok());
  CHECK(counted(schema) == stored(schema));
}

TEST_CASE("claims in portions look at each plan a few times, however many there are", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  constexpr int kPlans = 4000;
  constexpr std::size_t kPortion = 50;
  {
    const auto store = open_started(cluster.url(schema));
    WriteBatch batch;
    for (int i = 0; i < kPlans; ++i) {
      PlanRecord plan = sample_plan(std::to_string(i));
      plan.owner = i % 2 == 0 ? "gone" : "long gone";
      batch.add(WriteBatch::InsertPlan{std::move(plan)});
    }
    REQUIRE(store->commit(std::move(batch)).ok());
  }
  // What is looked at is counted when connections end, a moment later.
  const std::string of_plans = " FROM pg_stat_user_tables WHERE relname = 'plans' AND schemaname = '" + schema + "'";
  const auto wait_for = [&](const std::string& count) {
    for (int i = 0; i < 200; ++i) {
      if (cluster.execute("SELECT " + count + of_plans) == std::to_string(kPlans)) return;
      cluster.execute("SELECT pg_sleep(0.05)");
    }
    FAIL(count);
  };
  const auto looked_at = [&] { return std::stoll(cluster.execute("SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read" + of_plans)); };
  wait_for("n_tup_ins");
  const auto before = looked_at();
  {
    const auto store = open_started(cluster.url(schema));
    REQUIRE(store->join({"world", "{}", {}, false}, 1h).ok());
    int claimed = 0;
    while (true) {
      const auto ids = store->claim_orphans(kPortion);
      REQUIRE(ids.ok());
      if (ids->empty()) break;
      // The oldest first, from both.
      CHECK(ids->front() == std::to_string(claimed));
      CHECK(ids->back() == std::to_string(claimed + static_cast<int>(kPortion) - 1));
      claimed += static_cast<int>(ids->size());
    }
    CHECK(claimed == kPlans);
  }
  wait_for("n_tup_upd");
  CHECK(looked_at() - before < 10 * kPlans);
}

TEST_CASE("a world writes nothing to the plan of another one", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  const auto one = open_started(cluster.url(schema));
  const auto two = open_started(cluster.url(schema));
  REQUIRE(one->join({"one", "{}", {}, false}, 1h).ok());
  REQUIRE(two->join({"two", "{}", {}, false}, 1h).ok());
  PlanRecord plan = sample_plan("id");
  plan.owner = "one";
  REQUIRE(one->commit(batch_of(WriteBatch::InsertPlan{plan})).ok());
  StepRecord step = plan.steps[2];
  step.state = StepState::kError;
  const PlanProgress progress = sample_progress(PlanState::kStopped, PlanResult::kError);
  for (const WriteBatch& batch :
       {batch_of(WriteBatch::UpdatePlan{"id", progress}), batch_of(WriteBatch::UpdateStep{"id", step}),
        batch_of(WriteBatch::UpdateAction{"id", 2, "", "{}"}), batch_of(WriteBatch::ReplacePlan{plan}),
        batch_of(WriteBatch::AppendChunks{"id", 2, {sample_chunk(1, "x")}})}) {
    const Status refused = two->commit(batch);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() == Code::kClosed);
    CHECK_THAT(refused.error().message(), Catch::Contains("belongs to world one"));
  }
  // The world itself is well, and may leave word for the owner.
  CHECK(two->commit(batch_of(WriteBatch::PutEvent{sample_event("e", "id")}, WriteBatch::WakeOwner{"id"})).ok());
  CHECK(one->commit(batch_of(WriteBatch::UpdateStep{"id", step})).ok());
}

TEST_CASE("three worlds share orphans without overlap while one of them is declared dead", "[store]") {
  Cluster& cluster = Cluster::get();
  const std::string schema = cluster.make_schema();
  constexpr int kPlans = 300;
  constexpr int kWorlds = 3;
  std::vector<std::unique_ptr<Store>> stores;
  for (int i = 0; i < kWorlds; ++i) {
    stores.push_back(open_started(cluster.url(schema)));
    REQUIRE(stores.back()->join({std::to_string(i), "{}", {}, false}, 1h).ok());
  }
  WriteBatch batch;
  for (int i = 0; i < kPlans; ++i) {
    PlanRecord plan = sample_plan("plan " + std::to_string(i));
    plan.owner.clear();
    batch.add(WriteBatch::InsertPlan{plan});
  }
  REQUIRE(stores[0]->commit(std::move(batch)).ok());
  // Each claims and writes; the row of world 0 is removed in between, as declare_dead() does.
  std::vector<std::set<std::string>> written(kWorlds);
  std::vector<std::thread> threads;
  for (std::size_t world = 0; world < kWorlds; ++world) {
    threads.emplace_back([&, world] {
      while (true) {
        const auto ids = stores[world]->claim_orphans(5);
        if (!ids.ok() || ids->empty()) return;
        for (const std::string& id : *ids) {
          if (stores[world]->commit(batch_of(WriteBatch::UpdateAction{id, 2, "", std::to_string(world)})).ok()) {
            written[world].insert(id);
          }
        }
      }
    });
  }
  cluster.execute("DELETE FROM worlds WHERE id = '0'", schema);
  for (auto& thread : threads) thread.join();
  while (true) {  // what world 0 had claimed and the others had not seen in time
    const auto ids = stores[1]->claim_orphans(50);
    REQUIRE(ids.ok());
    if (ids->empty()) break;
  }
  CHECK(stores[0]->commit(insertion_of("late")).error().code() == Code::kClosed);
  CHECK(cluster.execute("SELECT count(*) FROM plans WHERE owner NOT IN ('1', '2')", schema) == "0");
  std::size_t living = 0;
  for (std::size_t world = 1; world < kWorlds; ++world) {
    living += written[world].size();
    for (const std::string& id : written[world]) {
      const auto plan = stores[world]->load_plan(id);
      REQUIRE(plan.ok());
      CHECK(plan->owner == std::to_string(world));
      CHECK(plan->actions[1].output == plan->owner);
    }
  }
  CHECK(living <= kPlans);
  CHECK(living > 0);
}

}  // namespace dynflow::persistence
