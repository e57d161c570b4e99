#include <catch2/catch.hpp>
#include <algorithm>
#include <string>

#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/suite/probes.h"
#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;

using Ids = std::vector<std::string>;

void worlds_come_and_go(Store& store) {
  CHECK(get(store.load_worlds()).empty());
  require_code(store.renew(), Code::kClosed);
  require_code(store.claim_orphans(1), Code::kClosed);
  require_code(store.claim("id"), Code::kClosed);
  require_ok(store.leave());
  require_code(store.join(sample_world(""), 1h), Code::kInvalid);

  require_ok(store.join(sample_world("one"), 1h));
  auto worlds = get(store.load_worlds());
  REQUIRE(worlds.size() == 1);
  CHECK(worlds[0].id == "one");
  CHECK(worlds[0].meta == R"({"hostname":"host"})");
  CHECK(worlds[0].is_alive);
  CHECK(worlds[0].last_seen > Time{});
  const Time before = worlds[0].last_seen;
  require_ok(store.renew());
  CHECK(get(store.load_worlds())[0].last_seen >= before);
  CHECK(get(store.declare_dead()).empty());

  require_ok(store.join(sample_world("two"), 1h));
  worlds = get(store.load_worlds());
  REQUIRE(worlds.size() == 1);
  CHECK(worlds[0].id == "two");
  require_ok(store.leave());
  require_ok(store.leave());
  CHECK(get(store.load_worlds()).empty());
  require_code(store.renew(), Code::kClosed);
  require_ok(store.commit(insertion_of("id")));
}

void orphans_are_claimed(Store& store) {
  const std::vector<PlanState> states = {PlanState::kPending, PlanState::kScheduled, PlanState::kPlanning,
                                         PlanState::kPlanned, PlanState::kRunning,   PlanState::kPaused,
                                         PlanState::kStopped};
  for (const PlanState state : states) {
    require_ok(store.commit(plan_in_state(std::string(to_string(state)), state, PlanResult::kPending, "dead")));
  }
  require_ok(store.join(sample_world("one"), 1h));
  require_ok(store.commit(plan_in_state("mine", PlanState::kRunning, PlanResult::kPending, "one")));
  require_ok(store.commit(plan_in_state("nobody's", PlanState::kRunning)));
  CHECK(get(store.claim_orphans(0)).empty());
  CHECK(get(store.claim_orphans(2)) == Ids{"pending", "planning"});
  CHECK(get(store.claim_orphans(10)) == Ids{"planned", "running", "nobody's"});
  CHECK(get(store.claim_orphans(10)).empty());
  CHECK(get(store.load_plan("running")).owner == "one");

  // What is owned goes with its world; who comes as another, or comes back, claims it anew.
  require_ok(store.join(sample_world("two"), 1h));
  CHECK(get(store.claim_orphans(10)).size() == 6);
  require_ok(store.leave());
  require_ok(store.join(sample_world("two"), 1h));
  CHECK(get(store.claim_orphans(10)).size() == 6);
  CHECK(get(store.load_plan("mine")).owner == "two");
}

void one_plan_is_claimed(Store& store) {
  require_ok(store.join(sample_world("one"), 1h));
  require_ok(store.commit(plan_in_state("paused", PlanState::kPaused)));
  require_ok(store.commit(plan_in_state("scheduled", PlanState::kScheduled)));
  require_ok(store.commit(plan_in_state("stopped", PlanState::kStopped)));
  for (const char* id : {"paused", "scheduled"}) {
    require_ok(store.claim(id));
    require_ok(store.claim(id));
    CHECK(get(store.load_plan(id)).owner == "one");
  }
  require_code(store.claim("stopped"), Code::kNotFound);
  require_code(store.claim("unknown"), Code::kNotFound);
}

// A replaced plan gets the owner of its record; an update leaves it.
void owners_are_written(Store& store) {
  require_ok(store.join(sample_world("one"), 1h));
  require_ok(store.commit(plan_in_state("id", PlanState::kScheduled)));
  PlanRecord plan = sample_plan("id");
  plan.owner = "one";
  require_ok(store.commit(batch_of(WriteBatch::ReplacePlan{plan})));
  require_ok(store.commit(
      batch_of(WriteBatch::UpdatePlan{"id", sample_progress(PlanState::kRunning, PlanResult::kPending)})));
  CHECK(get(store.load_plan("id")).owner == "one");
  CHECK(get(store.claim_orphans(10)).empty());
}

void events_go_to_the_owner(Store& store) {
  require_ok(store.commit(plan_in_state("mine", PlanState::kRunning)));
  for (const char* id : {"mine", "unowned", "unknown"}) {
    require_ok(store.commit(batch_of(WriteBatch::PutEvent{sample_event(id, id)})));
  }
  CHECK(ids_of(get(store.load_events())) == Ids{"mine", "unowned", "unknown"});
  require_ok(store.join(sample_world("one"), 1h));
  CHECK(get(store.load_events()).empty());
  require_ok(store.claim("mine"));
  require_ok(store.commit(plan_in_state("unowned", PlanState::kPaused)));
  CHECK(ids_of(get(store.load_events())) == Ids{"mine"});
}

// -- Locks.

void locks_exclude_others(Store& store) {
  require_ok(store.join(sample_world("one"), 1h));
  require_code(store.acquire_lock({"", "plan"}), Code::kInvalid);
  for (const char* id : {"first", "second"}) require_ok(store.commit(insertion_of(id)));
  require_ok(store.acquire_lock({"singleton", "first"}));
  require_ok(store.acquire_lock({"singleton", "first"}));  // has it already
  require_code(store.acquire_lock({"singleton", "second"}), Code::kConflict);
  require_ok(store.acquire_lock({"Singleton", "second"}));
  CHECK(get(store.load_locks()) == std::vector<LockRecord>{{"Singleton", "second"}, {"singleton", "first"}});
  // Releasing touches nobody else's.
  require_ok(store.commit(batch_of(WriteBatch::ReleaseLocks{"second"})));
  require_code(store.acquire_lock({"singleton", "second"}), Code::kConflict);
  require_ok(store.commit(batch_of(WriteBatch::ReleaseLocks{"first"})));
  require_ok(store.acquire_lock({"singleton", "second"}));
  CHECK(get(store.load_locks()) == std::vector<LockRecord>{{"singleton", "second"}});
}

void locks_last_while_the_plan_works(Store& store) {
  require_ok(store.join(sample_world("one"), 1h));
  require_ok(store.commit(insertion_of("other")));
  const std::vector<PlanState> in_work = {PlanState::kPending, PlanState::kScheduled, PlanState::kPlanning,
                                          PlanState::kPlanned, PlanState::kRunning};
  for (const PlanState state : in_work) {
    const std::string id(to_string(state));
    require_ok(store.commit(plan_in_state(id, state)));
    require_ok(store.acquire_lock({id, id}));
    require_code(store.acquire_lock({id, "other"}), Code::kConflict);
  }
  for (const PlanState state : {PlanState::kPaused, PlanState::kStopped}) {
    const std::string id(to_string(state));
    require_ok(store.commit(plan_in_state(id, state)));
    require_ok(store.acquire_lock({id, id}));
    require_ok(store.acquire_lock({id, "other"}));
  }
}

void locks_of_plans_to_be_made(Store& store) {
  require_ok(store.commit(insertion_of("other")));
  require_ok(store.join(sample_world("one"), 1h));
  require_ok(store.acquire_lock({"made", "made later"}));
  require_ok(store.acquire_lock({"never made", "never made"}));
  require_code(store.acquire_lock({"made", "other"}), Code::kConflict);
  require_ok(store.commit(insertion_of("made later")));
  require_code(store.acquire_lock({"made", "other"}), Code::kConflict);
  // Only the plan that is there goes on without its world.
  require_ok(store.join(sample_world("two"), 1h));
  require_code(store.acquire_lock({"made", "other"}), Code::kConflict);
  require_ok(store.acquire_lock({"never made", "other"}));
}

}  // namespace

std::vector<StoreTest> world_tests() {
  return {
      {"worlds come and go", "[W04]", worlds_come_and_go},
      {"orphans are claimed", "[W07][W14]", orphans_are_claimed},
      {"one plan is claimed", "", one_plan_is_claimed},
      {"owners are written with plans", "", owners_are_written},
      {"events go to the owner of their plan", "[S18]", events_go_to_the_owner},
  };
}

std::vector<StoreTest> lock_tests() {
  return {
      {"locks exclude others until released", "[G03][G05][W01][W02]", locks_exclude_others},
      {"locks last while the plan works", "[G01][G02]", locks_last_while_the_plan_works},
      {"locks of plans to be made hold too", "[W11]", locks_of_plans_to_be_made},
  };
}

}  // namespace dynflow::persistence
