#include "shared/persistence/records.h"

#include <array>
#include <cstddef>

namespace dynflow::persistence {
namespace {

// Words by enumerator, in the order of the enumerations in records.h. They are Dynflow's (2.0.0,
// lib/dynflow/execution_plan.rb, lib/dynflow/execution_plan/steps/abstract.rb) and part of stored data.
constexpr std::array<std::string_view, 7> kPlanStates = {"pending", "scheduled", "planning", "planned",
                                                         "running", "paused",    "stopped"};
constexpr std::array<std::string_view, 5> kPlanResults = {"pending", "success", "warning", "error", "cancelled"};
constexpr std::array<std::string_view, 3> kStepPhases = {"Plan", "Run", "Finalize"};
constexpr std::array<std::string_view, 9> kStepStates = {"scheduling", "pending", "running", "success",  "suspended",
                                                         "skipping",   "skipped", "error",   "cancelled"};

template <class Enum, std::size_t kSize>
std::string_view word_of(const std::array<std::string_view, kSize>& words, Enum value) {
  return words.at(static_cast<std::size_t>(value));
}

template <class Enum, std::size_t kSize>
std::optional<Enum> value_of(const std::array<std::string_view, kSize>& words, std::string_view word) {
  for (std::size_t i = 0; i < kSize; ++i) {
    if (words[i] == word) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(PlanState state) { return word_of(kPlanStates, state); }
std::string_view to_string(PlanResult result) { return word_of(kPlanResults, result); }
std::string_view to_string(StepState state) { return word_of(kStepStates, state); }
std::string_view to_string(StepPhase phase) { return word_of(kStepPhases, phase); }

std::optional<PlanState> parse_plan_state(std::string_view word) { return value_of<PlanState>(kPlanStates, word); }
std::optional<PlanResult> parse_plan_result(std::string_view word) { return value_of<PlanResult>(kPlanResults, word); }
std::optional<StepState> parse_step_state(std::string_view word) { return value_of<StepState>(kStepStates, word); }
std::optional<StepPhase> parse_step_phase(std::string_view word) { return value_of<StepPhase>(kStepPhases, word); }

}  // namespace dynflow::persistence
