#include "migration/state/transfer.h"

#include <catch2/catch.hpp>
#include <map>

#include "shared/persistence/sqlite/sqlite_store.h"

namespace dynflow::migration {
namespace {

using persistence::PlanState;

Status quiet(std::size_t, std::size_t, std::string_view) { return {}; }

// Plans in memory. Those in `damaged` cannot be loaded.
class ListedSource final : public PlanSource {
 public:
  void add(std::string id, PlanState state, std::vector<std::string> blocked_by = {}) {
    StoredPlan stored;
    stored.plan.id = id;
    stored.plan.label = "A";
    stored.plan.state = state;
    if (!blocked_by.empty()) {
      stored.delayed.emplace();
      stored.delayed->plan_id = id;
      stored.delayed->args = "[]";
      stored.delayed->blocked_by = std::move(blocked_by);
    }
    order_.push_back(id);
    plans_.emplace(std::move(id), std::move(stored));
  }
  std::map<std::string, Error> damaged;

  std::string kind() const override { return "a list"; }
  Result<std::vector<std::string>> signs_of_life() override { return std::vector<std::string>(); }
  Result<std::vector<PlanSummary>> list() override {
    std::vector<PlanSummary> list;
    for (const std::string& id : order_) list.push_back({id, "A", std::string(to_string(plans_.at(id).plan.state)), "", {}, {}});
    return list;
  }
  Result<StoredPlan> load(const std::string& id) override {
    if (const auto found = damaged.find(id); found != damaged.end()) return found->second;
    return plans_.at(id);
  }

 private:
  std::vector<std::string> order_;
  std::map<std::string, StoredPlan> plans_;
};

std::unique_ptr<persistence::Store> memory_store() {
  auto store = persistence::open_sqlite_store({});
  REQUIRE(store.ok());
  REQUIRE((*store)->start().ok());
  return std::move(*store);
}

TEST_CASE("Plans move once, however often it is asked for") {
  ListedSource source;
  for (int i = 0; i < 450; ++i) source.add("p" + std::to_string(i), PlanState::kStopped);
  const auto store = memory_store();
  const auto found = survey(source, false, quiet);
  REQUIRE(found.ok());
  CHECK(found->movable.size() == 450);
  const auto first = transfer(source, *found, *store, quiet);
  REQUIRE(first.ok());
  CHECK(first->moved == 450);
  const auto second = transfer(source, *found, *store, quiet);
  REQUIRE(second.ok());
  CHECK(second->moved == 0);
  CHECK(second->already_there == 450);
  CHECK(*store->count_plans(std::nullopt) == 450);
  store->stop();
}

TEST_CASE("What a plan waits for goes before it, and what is gone is forgotten") {
  ListedSource source;
  source.add("last", PlanState::kScheduled, {"middle", "gone"});
  source.add("middle", PlanState::kScheduled, {"first"});
  source.add("first", PlanState::kRunning);
  const auto found = survey(source, false, quiet);
  REQUIRE(found.ok());
  CHECK(found->movable == std::vector<std::string>{"first", "middle", "last"});
  const auto store = memory_store();
  REQUIRE(transfer(source, *found, *store, quiet).ok());
  const auto waits = store->load_prerequisites("last");
  REQUIRE(waits.ok());
  REQUIRE(waits->size() == 1);
  CHECK(waits->front().plan_id == "middle");
  store->stop();
}

TEST_CASE("An interrupted transfer is gone on with") {
  ListedSource source;
  for (int i = 0; i < 450; ++i) source.add("p" + std::to_string(i), PlanState::kStopped);
  const auto store = memory_store();
  const auto found = survey(source, false, quiet);
  REQUIRE(found.ok());
  const auto broken = transfer(source, *found, *store, [](std::size_t done, std::size_t, std::string_view) {
    return done >= 400 ? Status(Error(Code::kClosed, "interrupted")) : Status();
  });
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.error().code() == Code::kClosed);
  CHECK(*store->count_plans(std::nullopt) == 400);
  const auto rest = transfer(source, *found, *store, quiet);
  REQUIRE(rest.ok());
  CHECK(rest->moved == 50);
  CHECK(rest->already_there == 400);
  store->stop();
}

TEST_CASE("Finished plans can be left out") {
  ListedSource source;
  source.add("done", PlanState::kStopped);
  source.add("paused", PlanState::kPaused);
  source.add("running", PlanState::kRunning);
  const auto found = survey(source, true, quiet);
  REQUIRE(found.ok());
  CHECK(found->movable == std::vector<std::string>{"paused", "running"});
  CHECK(found->finished_left_out == 1);
}

TEST_CASE("A plan that is damaged is named; a source that fails is an error") {
  ListedSource source;
  source.add("good", PlanState::kStopped);
  source.add("bad", PlanState::kRunning);
  source.damaged.emplace("bad", Error(Code::kCorrupt, "step 2 is missing"));
  const auto found = survey(source, false, quiet);
  REQUIRE(found.ok());
  CHECK(found->movable == std::vector<std::string>{"good"});
  REQUIRE(found->refused.size() == 1);
  CHECK(found->refused[0].id == "bad");
  CHECK(found->refused[0].reason == "step 2 is missing");
  source.damaged.insert_or_assign("bad", Error(Code::kUnavailable, "the disk is gone"));
  CHECK_FALSE(survey(source, false, quiet).ok());
}

}  // namespace
}  // namespace dynflow::migration
