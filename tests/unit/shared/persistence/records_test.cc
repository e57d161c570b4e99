#include "shared/persistence/records.h"

#include <catch2/catch.hpp>

namespace dynflow::persistence {

TEST_CASE("states, results and phases are Dynflow's words", "[persistence]") {
  CHECK(to_string(PlanState::kPending) == "pending");
  CHECK(to_string(PlanState::kStopped) == "stopped");
  CHECK(to_string(PlanResult::kCancelled) == "cancelled");
  CHECK(to_string(StepState::kSuspended) == "suspended");
  CHECK(to_string(StepState::kCancelled) == "cancelled");
  CHECK(to_string(StepPhase::kFinalize) == "Finalize");
}

TEST_CASE("every word is understood again", "[persistence]") {
  for (int i = 0; i <= static_cast<int>(PlanState::kStopped); ++i) {
    const auto state = static_cast<PlanState>(i);
    CHECK(parse_plan_state(to_string(state)) == state);
  }
  for (int i = 0; i <= static_cast<int>(PlanResult::kCancelled); ++i) {
    const auto result = static_cast<PlanResult>(i);
    CHECK(parse_plan_result(to_string(result)) == result);
  }
  for (int i = 0; i <= static_cast<int>(StepState::kCancelled); ++i) {
    const auto state = static_cast<StepState>(i);
    CHECK(parse_step_state(to_string(state)) == state);
  }
  for (int i = 0; i <= static_cast<int>(StepPhase::kFinalize); ++i) {
    const auto phase = static_cast<StepPhase>(i);
    CHECK(parse_step_phase(to_string(phase)) == phase);
  }
}

TEST_CASE("other words are refused", "[persistence]") {
  CHECK_FALSE(parse_plan_state(""));
  CHECK_FALSE(parse_plan_state("Stopped"));
  CHECK_FALSE(parse_plan_result("ok"));
  CHECK_FALSE(parse_step_state("paused"));
  CHECK_FALSE(parse_step_phase("run"));
}

}  // namespace dynflow::persistence
