// kill -9 at random moments: what was completed is there afterwards, and no half batch.
#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <string>

#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/sqlite/scratch_folder.h"
#include "tests/unit/shared/persistence/sqlite/writer_process.h"

namespace dynflow::persistence {
namespace {

constexpr int kRounds = 12;
constexpr int kMostLines = 300;

struct Completed {
  std::set<std::string> first;
  std::set<std::string> second;
};

void note(Completed& completed, const std::string& line) {
  const auto space = line.find(' ');
  const std::string word = line.substr(0, space);
  REQUIRE((word == "first" || word == "second"));
  (word == "first" ? completed.first : completed.second).insert(line.substr(space + 1));
}

// The plan is stored, and its second batch was applied wholly or not at all. True when it was.
bool check_plan(Store& store, const std::string& id, bool has_event, bool has_outbox) {
  CAPTURE(id);
  const auto plan = store.load_plan(id);
  REQUIRE(plan.ok());
  const bool has_ended = plan->state == PlanState::kStopped;
  const PlanRecord fresh = sample_plan(id);
  if (!has_ended) {
    CHECK(*plan == fresh);
  } else {
    CHECK(plan->steps[2].state == StepState::kSuccess);
    CHECK(plan->steps[3].state == StepState::kSuccess);
    CHECK(plan->actions[1].output == R"({"done":true})");
  }
  CHECK(has_event == !has_ended);
  CHECK(has_outbox == has_ended);
  const auto chunks = store.load_chunks(id, 2);
  REQUIRE(chunks.ok());
  CHECK(chunks->size() == (has_ended ? 2U : 0U));
  return has_ended;
}

void check_store(Store& store, const Completed& completed) {
  const auto all_events = store.load_events();
  const auto all_entries = store.load_due_outbox(kSampleTime, 1'000'000, {});
  REQUIRE(all_events.ok());
  REQUIRE(all_entries.ok());
  std::set<std::string> events;
  for (const EventRecord& event : *all_events) events.insert(event.plan_id);
  std::set<std::string> outbox;
  for (const OutboxRecord& entry : *all_entries) outbox.insert(entry.plan_id);
  for (const std::string& id : completed.first) {
    const bool has_ended = check_plan(store, id, events.count(id) > 0, outbox.count(id) > 0);
    if (completed.second.count(id) > 0) CHECK(has_ended);
  }
  // Beyond what was completed there may be whole batches, never parts.
  std::int64_t ended = 0;
  for (const std::string& id : outbox) ended += check_plan(store, id, events.count(id) > 0, true) ? 1 : 0;
  for (const std::string& id : events) CHECK_FALSE(check_plan(store, id, true, outbox.count(id) > 0));
  CHECK(*store.count_plans(PlanState::kStopped) == ended);
  CHECK(*store.count_plans(PlanState::kPlanned) == static_cast<std::int64_t>(events.size()));
}

}  // namespace

TEST_CASE("nothing completed is lost when the process is killed", "[store]") {
  const ScratchFolder folder;
  std::mt19937 random(20'261'123);
  Completed completed;
  for (int round = 0; round < kRounds; ++round) {
    CAPTURE(round);
    WriterProcess writer({"write", folder.file(), std::to_string(round) + "/"});
    const auto lines = std::uniform_int_distribution<>(1, kMostLines)(random);
    for (int i = 0; i < lines; ++i) {
      const auto line = writer.read_line();
      REQUIRE(line);
      note(completed, *line);
    }
    writer.kill();
    while (const auto line = writer.read_line()) note(completed, *line);
    if (round % 6 == 5) check_store(*folder.open(), completed);
  }
  CHECK(completed.second.size() > kRounds);
}

}  // namespace dynflow::persistence
