#include "shared/engine/recovery.h"

namespace dynflow::engine {

const std::vector<RecoveryRule>& recovery_rules() {
  using F = Finding;
  using S = PlanState;
  using T = Takeover;
  static const std::vector<RecoveryRule> table = {
      {S::kPending, F::kAllPlanned, T::kStart},   {S::kPending, F::kAny, T::kStop},
      {S::kPlanning, F::kAllPlanned, T::kStart},  {S::kPlanning, F::kAny, T::kStop},
      {S::kPlanned, F::kAny, T::kStart},
      {S::kRunning, F::kSound, T::kContinue},     {S::kRunning, F::kWantsSkip, T::kSkip},
      {S::kRunning, F::kWantsFail, T::kStop},     {S::kRunning, F::kAny, T::kPause},
      {S::kPaused, F::kAny, T::kLeave},           {S::kScheduled, F::kAny, T::kLeave},
      {S::kStopped, F::kAny, T::kLeave},
  };
  return table;
}

Takeover takeover_of(PlanState state, Finding finding) {
  for (const RecoveryRule& rule : recovery_rules()) {
    if (rule.state == state && (rule.finding == finding || rule.finding == Finding::kAny)) return rule.takeover;
  }
  return Takeover::kLeave;
}

StepState recovered(StepState state) { return state == StepState::kRunning ? StepState::kError : state; }

}  // namespace dynflow::engine
