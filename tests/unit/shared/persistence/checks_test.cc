#include "shared/persistence/checks.h"

#include <catch2/catch.hpp>
#include <functional>

namespace dynflow::persistence {
namespace {

using namespace std::string_literals;

template <class Change>
Status check_one(Change change) {
  WriteBatch batch;
  batch.add(std::move(change));
  return check(batch);
}

PlanRecord plan_with(const std::function<void(PlanRecord&)>& alter) {
  PlanRecord plan;
  plan.id = "id";
  plan.history = {{1, "start", "w"}};
  plan.actions.resize(1);
  plan.steps.resize(1);
  plan.steps[0].error = StepError{"E", "m", {"line"}};
  alter(plan);
  return plan;
}

}  // namespace

TEST_CASE("what every database can hold is accepted", "[persistence]") {
  CHECK(is_storable(""));
  CHECK(is_storable("ünïcödé \xF0\x9F\x98\x80\x01\x7f"));
  CHECK_FALSE(is_storable("a\0b"s));
  CHECK_FALSE(is_storable("\xff"));
  CHECK_FALSE(is_storable("\xed\xa0\x80"));  // a surrogate
  CHECK(check_one(WriteBatch::InsertPlan{plan_with([](PlanRecord&) {})}).ok());
  CHECK(check(WriteBatch()).ok());
}

TEST_CASE("a plan with a text that cannot be stored is refused", "[persistence]") {
  const std::string bad = "x\0y"s;
  const std::vector<std::function<void(PlanRecord&)>> faults = {
      [&](PlanRecord& plan) { plan.id = bad; },
      [&](PlanRecord& plan) { plan.id = ""; },
      [&](PlanRecord& plan) { plan.label = bad; },
      [&](PlanRecord& plan) { plan.run_flow = bad; },
      [&](PlanRecord& plan) { plan.finalize_flow = bad; },
      [&](PlanRecord& plan) { plan.request_digest = bad; },
      [&](PlanRecord& plan) { plan.history[0].name = bad; },
      [&](PlanRecord& plan) { plan.history[0].world_id = bad; },
      [&](PlanRecord& plan) { plan.steps[0].action_class = bad; },
      [&](PlanRecord& plan) { plan.steps[0].queue = bad; },
      [&](PlanRecord& plan) { plan.steps[0].error->message = bad; },
      [&](PlanRecord& plan) { plan.steps[0].error->exception_class = bad; },
      [&](PlanRecord& plan) { plan.steps[0].error->backtrace[0] = bad; },
      [&](PlanRecord& plan) { plan.actions[0].action_class = bad; },
      [&](PlanRecord& plan) { plan.actions[0].caller_plan_id = bad; },
      [&](PlanRecord& plan) { plan.actions[0].input = bad; },
      [&](PlanRecord& plan) { plan.actions[0].output = bad; },
  };
  for (std::size_t i = 0; i < faults.size(); ++i) {
    CAPTURE(i);
    const Status status = check_one(WriteBatch::InsertPlan{plan_with(faults[i])});
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code() == Code::kInvalid);
  }
}

TEST_CASE("changes with a text that cannot be stored are refused", "[persistence]") {
  const std::string bad = "\xc3";
  CHECK_FALSE(check_one(WriteBatch::UpdatePlan{bad, {}}).ok());
  PlanProgress progress;
  progress.history = {{1, bad, ""}};
  CHECK_FALSE(check_one(WriteBatch::UpdatePlan{"p", progress}).ok());
  StepRecord step;
  step.error = StepError{"", bad, {}};
  CHECK_FALSE(check_one(WriteBatch::UpdateStep{"p", step}).ok());
  CHECK_FALSE(check_one(WriteBatch::UpdateAction{"p", 1, bad, ""}).ok());
  CHECK_FALSE(check_one(WriteBatch::UpdateAction{"p", 1, "", bad}).ok());
  CHECK_FALSE(check_one(WriteBatch::AppendChunks{"p", 1, {{1, "stdout", bad, {}, ""}}}).ok());
  CHECK_FALSE(check_one(WriteBatch::AppendChunks{"p", 1, {{0, "stdout", "", {}, ""}}}).ok());
  EventRecord event;
  event.data = bad;
  CHECK_FALSE(check_one(WriteBatch::PutEvent{event}).ok());
  CHECK_FALSE(check_one(WriteBatch::DeleteEvent{bad}).ok());
  OutboxRecord entry;
  entry.last_error = bad;
  CHECK_FALSE(check_one(WriteBatch::PutOutbox{entry}).ok());
  CHECK_FALSE(check_one(WriteBatch::DeleteOutbox{bad}).ok());
  CHECK(check_one(WriteBatch::AppendChunks{"p", 1, {{1, "stdout", "", {}, ""}}}).ok());
}

}  // namespace dynflow::persistence
