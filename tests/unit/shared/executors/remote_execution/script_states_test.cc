#include "shared/executors/remote_execution/script_states.h"

#include <catch2/catch.hpp>

#include <set>

namespace dynflow::remote_execution {
namespace {

constexpr int kStates = static_cast<int>(ScriptState::kDone) + 1;
constexpr int kEvents = static_cast<int>(ScriptEvent::kCleaned) + 1;

bool reaches_done(ScriptState from) {
  std::set<ScriptState> seen{from};
  for (int round = 0; round < kStates; ++round) {
    for (const ScriptTransition& transition : kScriptTransitions) {
      if (seen.contains(transition.from)) seen.insert(transition.to);
    }
  }
  return seen.contains(ScriptState::kDone);
}

}  // namespace

TEST_CASE("every transition is there once") {
  std::set<std::pair<ScriptState, ScriptEvent>> seen;
  for (const ScriptTransition& transition : kScriptTransitions) {
    CHECK(seen.emplace(transition.from, transition.event).second);
  }
}

TEST_CASE("every state can end, and the end is final") {
  for (int state = 0; state < kStates; ++state) CHECK(reaches_done(static_cast<ScriptState>(state)));
  for (int event = 0; event < kEvents; ++event) {
    CHECK_FALSE(next_state(ScriptState::kDone, static_cast<ScriptEvent>(event)));
  }
}

TEST_CASE("a lost connection ends whatever is connected") {
  for (const ScriptState state : {ScriptState::kUploading, ScriptState::kTrial, ScriptState::kRunning,
                                  ScriptState::kStopping, ScriptState::kCleaning}) {
    CHECK(next_state(state, ScriptEvent::kLost) == ScriptState::kDone);
  }
}

TEST_CASE("a cancel is obeyed once, and never undoes an end under way") {
  CHECK(next_state(ScriptState::kConnecting, ScriptEvent::kKill) == ScriptState::kDone);
  CHECK(next_state(ScriptState::kUploading, ScriptEvent::kKill) == ScriptState::kCleaning);
  CHECK(next_state(ScriptState::kTrial, ScriptEvent::kKill) == ScriptState::kCleaning);
  CHECK(next_state(ScriptState::kRunning, ScriptEvent::kKill) == ScriptState::kStopping);
  CHECK_FALSE(next_state(ScriptState::kStopping, ScriptEvent::kKill));
  CHECK_FALSE(next_state(ScriptState::kCleaning, ScriptEvent::kKill));
}

}  // namespace dynflow::remote_execution
