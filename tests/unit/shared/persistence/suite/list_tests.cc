#include <catch2/catch.hpp>
#include <algorithm>
#include <string>

#include "shared/persistence/plan_pages.h"
#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/suite/probes.h"
#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;

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

using Column = PlanOrder::Column;

std::vector<std::string> found(Store& store, const PlanFilter& filter, const PlanOrder& order = {}) {
  const auto ids = ids_of(get(store.find_plans(filter, order)));
  CHECK((order.limit > 0 || order.offset > 0 || get(store.count_plans(filter)) == static_cast<std::int64_t>(ids.size())));
  return ids;
}

std::vector<std::string> ordered(Store& store, Column column, bool is_descending = false) {
  PlanOrder order;
  order.column = column;
  order.is_descending = is_descending;
  return found(store, {}, order);
}

using Ids = std::vector<std::string>;

// d, b, a, c: stopped/success, running/pending, stopped/error, paused/error.
void store_four(Store& store) {
  REQUIRE(store.commit(insertion_of("d")).ok());
  PlanRecord other = sample_plan("b", "parent");
  other.label = "Other";
  other.state = PlanState::kRunning;
  other.started_at.reset();
  REQUIRE(store.commit(batch_of(WriteBatch::InsertPlan{other})).ok());
  REQUIRE(store.commit(insertion_of("a")).ok());
  REQUIRE(store.commit(insertion_of("c", "parent")).ok());
  const auto change = [&](const char* id, PlanState state, PlanResult result, Time time, double seconds) {
    PlanProgress progress = sample_progress(state, result, time);
    progress.real_time = progress.execution_time = seconds;
    progress.started_at = time - 10s;
    REQUIRE(store.commit(batch_of(WriteBatch::UpdatePlan{id, progress})).ok());
  };
  change("d", PlanState::kStopped, PlanResult::kSuccess, kSampleTime + 5s, 2.5);
  change("a", PlanState::kStopped, PlanResult::kError, kSampleTime + 3s, 0.5);
  change("c", PlanState::kPaused, PlanResult::kError, kSampleTime + 4s, 10);
}

void plans_are_ordered(Store& store) {
  store_four(store);
  CHECK(ordered(store, Column::kInserted) == Ids{"d", "b", "a", "c"});
  CHECK(ordered(store, Column::kInserted, true) == Ids{"c", "a", "b", "d"});
  CHECK(ordered(store, Column::kId) == Ids{"a", "b", "c", "d"});
  CHECK(ordered(store, Column::kId, true) == Ids{"d", "c", "b", "a"});
  CHECK(ordered(store, Column::kLabel) == Ids{"d", "a", "c", "b"});
  CHECK(ordered(store, Column::kLabel, true) == Ids{"b", "d", "a", "c"});
  CHECK(ordered(store, Column::kState) == Ids{"c", "b", "d", "a"});
  CHECK(ordered(store, Column::kState, true) == Ids{"d", "a", "b", "c"});
  CHECK(ordered(store, Column::kResult) == Ids{"a", "c", "b", "d"});
  CHECK(ordered(store, Column::kEndedAt) == Ids{"a", "d", "b", "c"});  // what has not ended is last both ways
  CHECK(ordered(store, Column::kEndedAt, true) == Ids{"d", "a", "b", "c"});
  CHECK(ordered(store, Column::kStartedAt) == Ids{"a", "c", "d", "b"});
  CHECK(ordered(store, Column::kStartedAt, true) == Ids{"d", "c", "a", "b"});
  CHECK(ordered(store, Column::kExecutionTime) == Ids{"b", "a", "d", "c"});
  CHECK(ordered(store, Column::kRealTime, true) == Ids{"c", "d", "a", "b"});
}

void plans_are_paged(Store& store) {
  store_four(store);
  PlanOrder order;
  order.limit = 1;
  Ids all;
  for (; order.offset < 4; ++order.offset) {
    const auto page = found(store, {}, order);
    REQUIRE(page.size() == 1);
    all.push_back(page.front());
  }
  CHECK(all == Ids{"d", "b", "a", "c"});
  CHECK(found(store, {}, order).empty());
  order.offset = 3;
  order.limit = 10;
  CHECK(found(store, {}, order) == Ids{"c"});
  order.offset = 1;
  order.limit = 0;  // all that follow
  CHECK(found(store, {}, order) == Ids{"b", "a", "c"});
}

Ids ids_of_page(const std::vector<ListedPlan>& page) {
  Ids ids;
  for (const ListedPlan& one : page) ids.push_back(one.plan.id);
  return ids;
}

// The list in pages of `limit`, forwards by `after` and then all the way back by `before`.
Ids by_places(PlanPages& pages, PageOrder order, std::size_t limit) {
  order.limit = limit;
  Ids forwards;
  std::vector<ListedPlan> last;
  for (auto page = get(pages.find_page({}, order)); !page.empty(); page = get(pages.find_page({}, order))) {
    for (const ListedPlan& one : page) {
      forwards.push_back(one.plan.id);
      CHECK(is_place_of(one.place, order.column));
    }
    REQUIRE(forwards.size() <= 4);
    order.after = page.back().place;
    last = std::move(page);
  }
  Ids backwards = ids_of_page(last);
  order.after.reset();
  order.before = last.front().place;
  for (auto page = get(pages.find_page({}, order)); !page.empty(); page = get(pages.find_page({}, order))) {
    const Ids ids = ids_of_page(page);
    backwards.insert(backwards.begin(), ids.begin(), ids.end());
    REQUIRE(backwards.size() <= 4);
    order.before = page.front().place;
  }
  CHECK(backwards == forwards);
  return forwards;
}

void pages_begin_at_places(Store& store) {
  PlanPages* pages = pages_of(store);
  REQUIRE(pages != nullptr);
  store_four(store);
  for (const Column column : {Column::kInserted, Column::kId, Column::kLabel, Column::kState, Column::kResult, Column::kStartedAt,
                              Column::kEndedAt, Column::kExecutionTime, Column::kRealTime}) {
    for (const bool is_descending : {false, true}) {
      INFO("column " << static_cast<int>(column) << (is_descending ? " down" : " up"));
      for (const std::size_t limit : {1, 2, 3}) {
        CHECK(by_places(*pages, {column, is_descending}, limit) == ordered(store, column, is_descending));
      }
    }
  }
  // A place stays where it was when its plan is gone.
  PageOrder order;
  order.after = get(pages->find_page({}, order)).front().place;
  REQUIRE(get(store.clean(Time::max(), 10)) > 0);
  CHECK(ids_of_page(get(pages->find_page({}, order))) == Ids{"b"});
  PlanFilter filter;
  filter.states = {PlanState::kStopped};
  CHECK(get(pages->find_page(filter, order)).empty());
}

template <class Set>
Ids filtered(Store& store, Set set) {
  PlanFilter filter;
  set(filter);
  return found(store, filter);
}

void plans_are_filtered(Store& store) {
  store_four(store);
  using Filter = PlanFilter;
  using Texts = std::vector<std::string>;
  CHECK(filtered(store, [](Filter&) {}).size() == 4);
  CHECK(filtered(store, [](Filter& f) { f.states = {PlanState::kStopped}; }) == Ids{"d", "a"});
  CHECK(filtered(store, [](Filter& f) { f.states = {PlanState::kPaused, PlanState::kRunning}; }) == Ids{"b", "c"});
  CHECK(filtered(store, [](Filter& f) { f.states = {PlanState::kPlanning}; }).empty());
  CHECK(filtered(store, [](Filter& f) { f.states = std::vector<PlanState>(); }).empty());
  CHECK(filtered(store, [](Filter& f) { f.results = {PlanResult::kError}; }) == Ids{"a", "c"});
  CHECK(filtered(store, [](Filter& f) { f.results = std::vector<PlanResult>(); }).empty());
  CHECK(filtered(store, [](Filter& f) { f.labels = Texts{"Other"}; }) == Ids{"b"});
  CHECK(filtered(store, [](Filter& f) { f.labels = Texts{"Other", "Actions::Root"}; }).size() == 4);
  CHECK(filtered(store, [](Filter& f) { f.labels = Texts{"other"}; }).empty());
  CHECK(filtered(store, [](Filter& f) { f.labels = Texts(); }).empty());
  CHECK(filtered(store, [](Filter& f) { f.ids = Texts{"c", "unknown", "d", "'"}; }) == Ids{"d", "c"});
  CHECK(filtered(store, [](Filter& f) { f.ids = Texts(); }).empty());
  CHECK(filtered(store, [](Filter& f) { f.caller_plan_id = "parent"; }) == Ids{"b", "c"});
  CHECK(filtered(store, [](Filter& f) { f.caller_plan_id = ""; }).empty());
  CHECK(filtered(store, [](Filter& f) { f.caller_action_id = 7; }) == Ids{"b", "c"});
  CHECK(filtered(store, [](Filter& f) { f.caller_action_id = 1; }).empty());  // actions within a plan do not count
  CHECK(filtered(store, [](Filter& f) { f.ended_after = kSampleTime + 4s; }) == Ids{"d"});
  CHECK(filtered(store, [](Filter& f) { f.ended_after = kSampleTime + 3s; }) == Ids{"d", "a"});
  // All that is set has to match.
  CHECK(filtered(store, [](Filter& f) {
          f.caller_plan_id = "parent";
          f.caller_action_id = 7;
          f.states = {PlanState::kPaused};
          f.results = {PlanResult::kError};
          f.ids = Texts{"c", "b"};
          f.labels = Texts{"Actions::Root"};
        }) == Ids{"c"});
}

void delayed_plans_are_filtered(Store& store) {
  for (const char* id : {"plain", "delayed"}) REQUIRE(store.commit(insertion_of(id)).ok());
  DelayedRecord delayed;
  delayed.plan_id = "delayed";
  REQUIRE(store.commit(batch_of(WriteBatch::PutDelayed{delayed})).ok());
  CHECK(filtered(store, [](PlanFilter& f) { f.is_delayed = true; }) == Ids{"delayed"});
  CHECK(filtered(store, [](PlanFilter& f) { f.is_delayed = false; }) == Ids{"plain"});
}

void found_plans_are_summaries(Store& store) {
  PlanRecord plan = sample_plan("id", "caller");
  REQUIRE(store.commit(insertion_of("id", "caller")).ok());
  const auto plans = get(store.find_plans({}, {}));
  REQUIRE(plans.size() == 1);
  const PlanRecord none;
  plan.steps.clear();
  plan.actions.clear();
  plan.run_flow = none.run_flow;
  plan.finalize_flow = none.finalize_flow;
  CHECK(plans.front() == plan);
}

}  // namespace

std::vector<StoreTest> list_tests() {
  return {
      {"statuses of many plans", "[S08]", statuses_of_many},
      {"identities and sub-plans", "", identities_and_sub_plans},
      {"counts follow the states", "[S09]", counts_follow_states},
      {"plans are ordered", "[S05]", plans_are_ordered},
      {"plans are paged", "[S04]", plans_are_paged},
      {"pages begin at places, both ways", "[S04]", pages_begin_at_places},
      {"plans are filtered", "[S06][S09]", plans_are_filtered},
      {"delayed plans are filtered", "[S07]", delayed_plans_are_filtered},
      {"found plans come without their parts", "", found_plans_are_summaries},
  };
}

}  // namespace dynflow::persistence
