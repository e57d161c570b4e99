#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/suite/probes.h"
#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;

using Ids = std::vector<std::string>;
constexpr Duration kLong = 1h;
constexpr Duration kShort = 5ms;

std::unique_ptr<Store> joined(const OpenStore& open, const std::string& id, Duration lease = kLong) {
  auto store = open();
  require_ok(store->start());
  REQUIRE(store->is_shared());
  require_ok(store->join(sample_world(id), lease));
  return store;
}

// Leases end by the database's clock; there is nothing else to wait for.
template <class Condition>
void wait_until(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!condition()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::yield();
  }
}

void wait_for_death(Store& store, const std::string& id) {
  Ids dead;
  wait_until([&] {
    for (const std::string& one : get(store.declare_dead())) dead.push_back(one);
    return !dead.empty();
  });
  CHECK(dead == Ids{id});
}

WriteBatch plan_of(const std::string& id, const std::string& owner, PlanState state = PlanState::kRunning) {
  return plan_in_state(id, state, PlanResult::kPending, owner);
}

void worlds_see_each_other(const OpenStore& open) {
  const auto one = joined(open, "one");
  const auto two = joined(open, "two");
  for (Store* store : {one.get(), two.get()}) {
    auto ids = ids_of(get(store->load_worlds()));
    CHECK(std::set<std::string>(ids.begin(), ids.end()) == std::set<std::string>{"one", "two"});
    for (const WorldRecord& world : get(store->load_worlds())) CHECK(world.is_alive);
  }
  CHECK(get(one->declare_dead()).empty());
  require_ok(one->commit(insertion_of("id")));
  CHECK(two->load_plan("id").ok());
  CHECK(get(two->count_plans(std::nullopt)) == 1);
  require_code(two->commit(insertion_of("id")), Code::kConflict);
  require_ok(two->leave());
  CHECK(ids_of(get(one->load_worlds())) == Ids{"one"});
  CHECK(get(one->declare_dead()).empty());
}

void the_dead_cannot_write(const OpenStore& open) {
  const auto dead = joined(open, "dead", kShort);
  require_ok(dead->commit(plan_of("id", "dead")));
  const auto other = joined(open, "other");
  wait_for_death(*other, "dead");
  CHECK(ids_of(get(other->load_worlds())) == Ids{"other"});
  CHECK(get(other->declare_dead()).empty());

  require_code(dead->renew(), Code::kClosed);
  require_code(dead->commit(insertion_of("late")), Code::kClosed);
  require_code(dead->commit(batch_of(WriteBatch::AppendChunks{"id", 2, {sample_chunk(1, "late")}}), Durability::kRelaxed),
               Code::kClosed);
  require_code(dead->claim("id"), Code::kClosed);
  require_code(dead->claim_orphans(10), Code::kClosed);
  require_code(dead->acquire_lock({"lock", "id"}), Code::kClosed);
  require_code(other->load_plan("late"), Code::kNotFound);
  CHECK(chunks(*other, "id", 2).empty());
  CHECK(dead->load_plan("id").ok());  // it may look

  // It comes back as another, and has to claim what it had.
  require_ok(dead->join(sample_world("dead"), kLong));
  require_ok(dead->renew());
  require_ok(dead->commit(insertion_of("in time")));
  CHECK(get(dead->claim_orphans(1)) == Ids{"id"});
  CHECK(get(other->claim_orphans(10)) == Ids{"in time"});
}

// Whoever took over is not disturbed by what the dead one still had under way.
void late_writes_change_nothing(const OpenStore& open) {
  const auto dead = joined(open, "dead", kShort);
  require_ok(dead->commit(plan_of("id", "dead")));
  const auto heir = joined(open, "heir");
  wait_for_death(*heir, "dead");
  CHECK(get(heir->claim_orphans(10)) == Ids{"id"});
  const PlanProgress progress = sample_progress(PlanState::kStopped, PlanResult::kSuccess);
  std::atomic<int> refused{0};
  for (int i = 0; i < 50; ++i) {
    dead->submit(batch_of(WriteBatch::UpdatePlan{"id", progress}), Durability::kFull, [&](const Status& status) {
      refused += !status.ok() && status.error().code() == Code::kClosed ? 1 : 0;
    });
  }
  dead->stop();
  CHECK(refused == 50);
  CHECK(get(heir->load_plan("id")).state == PlanState::kRunning);
  CHECK(get(heir->load_plan("id")).owner == "heir");
}

void a_renewed_lease_lasts(const OpenStore& open) {
  const auto one = joined(open, "one", 60s);
  const auto two = joined(open, "two", kShort);
  for (int i = 0; i < 20; ++i) require_ok(one->renew());
  wait_for_death(*one, "two");
  CHECK(ids_of(get(one->load_worlds())) == Ids{"one"});
  require_ok(one->renew());
}

// A lease that has run out is no harm as long as nobody notices.
void an_expired_lease_can_be_renewed(const OpenStore& open) {
  const auto one = joined(open, "one", kShort);
  const auto two = joined(open, "two");
  wait_until([&] {
    for (const WorldRecord& world : get(two->load_worlds())) {
      if (world.id == "one" && !world.is_alive) return true;
    }
    return false;
  });
  require_ok(one->commit(insertion_of("id")));
  require_ok(one->renew());
}

void claims_do_not_overlap(const OpenStore& open) {
  constexpr int kPlans = 400;
  const auto one = joined(open, "one");
  const auto two = joined(open, "two");
  WriteBatch batch;
  for (int i = 0; i < kPlans; ++i) batch.add(plan_of(std::to_string(i), ""));
  require_ok(one->commit(std::move(batch)));
  std::mutex mutex;
  std::multiset<std::string> claimed;
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (Store* store : {one.get(), two.get(), one.get(), two.get()}) {
    threads.emplace_back([&, store] {
      const auto deadline = std::chrono::steady_clock::now() + 20s;
      while (std::chrono::steady_clock::now() < deadline) {
        const auto ids = store->claim_orphans(7);
        const std::lock_guard lock(mutex);
        if (!ids.ok()) ++failures;
        if (ids.ok()) claimed.insert(ids->begin(), ids->end());
        if (claimed.size() >= kPlans || !ids.ok()) return;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(claimed.size() == kPlans);
  CHECK(std::set<std::string>(claimed.begin(), claimed.end()).size() == kPlans);
  CHECK(get(one->claim_orphans(10)).empty());
  CHECK(get(two->claim_orphans(10)).empty());
}

void a_claim_respects_the_living(const OpenStore& open) {
  const auto one = joined(open, "one");
  const auto two = joined(open, "two");
  require_ok(one->commit(plan_of("paused", "one", PlanState::kPaused)));
  require_ok(one->commit(plan_of("free", "", PlanState::kPaused)));
  require_code(two->claim("paused"), Code::kConflict);
  require_ok(two->claim("free"));
  require_code(one->claim("free"), Code::kConflict);
  require_ok(one->claim("paused"));
  require_ok(one->leave());
  require_ok(two->claim("paused"));
  CHECK(get(two->load_plan("paused")).owner == "two");
}

void who_leaves_frees_its_plans(const OpenStore& open) {
  const auto one = joined(open, "one");
  const auto two = joined(open, "two");
  require_ok(one->commit(plan_of("id", "one")));
  CHECK(get(two->claim_orphans(10)).empty());
  require_ok(one->leave());
  CHECK(get(two->claim_orphans(10)) == Ids{"id"});
}

void events_wake_the_owner(const OpenStore& open) {
  auto owner = open();
  std::mutex mutex;
  std::condition_variable changed;
  int wakes = 0;
  owner->set_wake([&] {
    const std::lock_guard lock(mutex);
    ++wakes;
    changed.notify_all();
  });
  require_ok(owner->start());
  require_ok(owner->join(sample_world("owner"), kLong));
  const auto other = joined(open, "other");
  require_ok(owner->commit(plan_of("id", "owner")));
  {
    const std::lock_guard lock(mutex);
    wakes = 0;
  }
  require_ok(other->commit(
      batch_of(WriteBatch::PutEvent{sample_event("e", "id")}, WriteBatch::WakeOwner{"id"})));
  {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, 20s, [&] { return wakes > 0; }));
  }
  CHECK(ids_of(get(owner->load_events())) == Ids{"e"});
  CHECK(get(other->load_events()).empty());
  CHECK(ids_of(get(other->load_events_of("id"))) == Ids{"e"});
  owner->stop();
}

void each_entry_has_one_carrier(const OpenStore& open) {
  constexpr int kEntries = 200;
  const auto one = joined(open, "one", kShort);
  const auto two = joined(open, "two");
  WriteBatch batch;
  for (int i = 0; i < kEntries; ++i) {
    const std::string id = std::to_string(i);
    batch.add(insertion_of(id));
    batch.add(WriteBatch::PutOutbox{sample_outbox(id, id)});
  }
  require_ok(two->commit(std::move(batch)));
  std::vector<Ids> taken(2);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      const auto due = (i == 0 ? one : two)->load_due_outbox(kSampleTime, kEntries / 2, {});
      if (due.ok()) taken[i] = ids_of(*due);
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<std::string> all(taken[0].begin(), taken[0].end());
  all.insert(taken[1].begin(), taken[1].end());
  CHECK(all.size() == taken[0].size() + taken[1].size());
  // Whoever asks again has them still; the rest goes to whoever asks first.
  const auto rest = get(two->load_due_outbox(kSampleTime, kEntries, {}));
  CHECK(rest.size() == kEntries - taken[0].size());
  wait_for_death(*two, "one");
  CHECK(get(two->load_due_outbox(kSampleTime, kEntries, {})).size() == kEntries);
}

void locks_hold_between_worlds(const OpenStore& open) {
  const auto one = joined(open, "one", kShort);
  require_ok(one->commit(plan_of("stored", "one")));
  require_ok(one->acquire_lock({"stored", "stored"}));
  require_ok(one->acquire_lock({"unmade", "unmade"}));
  const auto two = joined(open, "two");
  require_ok(two->commit(plan_of("other", "two")));
  for (const char* name : {"stored", "unmade"}) require_code(two->acquire_lock({name, "other"}), Code::kConflict);
  wait_for_death(*two, "one");
  // The plan goes on, elsewhere; what its world was about to make never comes.
  require_code(two->acquire_lock({"stored", "other"}), Code::kConflict);
  require_ok(two->acquire_lock({"unmade", "other"}));
}

}  // namespace

const std::vector<SharedStoreTest>& shared_store_tests() {
  static const std::vector<SharedStoreTest> tests = {
      {"worlds see each other", "[W04][W05]", worlds_see_each_other},
      {"a world that was declared dead cannot write", "[W09][W12][W15]", the_dead_cannot_write},
      {"late writes of a dead world change nothing", "", late_writes_change_nothing},
      {"a renewed lease lasts", "[W15][Q21]", a_renewed_lease_lasts},
      {"a lease that ran out can be renewed until somebody notices", "", an_expired_lease_can_be_renewed},
      {"claims do not overlap", "[W07]", claims_do_not_overlap},
      {"a claim respects living owners", "", a_claim_respects_the_living},
      {"who leaves frees its plans", "[W03][W07]", who_leaves_frees_its_plans},
      {"events wake the owner of their plan", "[S18]", events_wake_the_owner},
      {"each entry of the outbox has one carrier", "", each_entry_has_one_carrier},
      {"locks hold between worlds", "[G03][W02]", locks_hold_between_worlds},
  };
  return tests;
}

}  // namespace dynflow::persistence
