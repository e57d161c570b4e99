// The life of a script job as a transition table.
//
// Threads: pure functions.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace dynflow::remote_execution {

enum class ScriptState {
  kIdle,        // not started
  kConnecting,  // from the queue for a handshake to authenticated
  kUploading,   // the first command makes the directory and writes the files
  kTrial,       // the wrapper tries the change of user; nothing of the script has run
  kRunning,     // the script runs
  kStopping,    // it was asked to stop; a second command sees to it
  kCleaning,    // a last command removes the directory
  kDone,        // finished: nothing changes any more
};

enum class ScriptEvent {
  kStart,
  kConnected,
  kRefused,         // no connection, or the host did not take the upload: said and reported
  kUploaded,
  kUploadedForUser, // and the change of user comes first
  kUserChanged,
  kUserRefused,
  kEnded,           // the wrapper ended, and has cleaned up
  kEndedDirty,      // it ended, or was ended, without
  kLost,            // the connection went away
  kKill,
  kCleaned,         // or given up
};

struct ScriptTransition {
  ScriptState from;
  ScriptEvent event;
  ScriptState to;
};

inline constexpr std::array kScriptTransitions = {
    ScriptTransition{ScriptState::kIdle, ScriptEvent::kStart, ScriptState::kConnecting},
    ScriptTransition{ScriptState::kIdle, ScriptEvent::kKill, ScriptState::kDone},
    ScriptTransition{ScriptState::kConnecting, ScriptEvent::kConnected, ScriptState::kUploading},
    ScriptTransition{ScriptState::kConnecting, ScriptEvent::kRefused, ScriptState::kDone},
    ScriptTransition{ScriptState::kConnecting, ScriptEvent::kKill, ScriptState::kDone},
    ScriptTransition{ScriptState::kUploading, ScriptEvent::kUploaded, ScriptState::kRunning},
    ScriptTransition{ScriptState::kUploading, ScriptEvent::kUploadedForUser, ScriptState::kTrial},
    ScriptTransition{ScriptState::kUploading, ScriptEvent::kRefused, ScriptState::kDone},
    ScriptTransition{ScriptState::kUploading, ScriptEvent::kLost, ScriptState::kDone},
    ScriptTransition{ScriptState::kUploading, ScriptEvent::kKill, ScriptState::kCleaning},
    ScriptTransition{ScriptState::kTrial, ScriptEvent::kUserChanged, ScriptState::kRunning},
    ScriptTransition{ScriptState::kTrial, ScriptEvent::kUserRefused, ScriptState::kCleaning},
    ScriptTransition{ScriptState::kTrial, ScriptEvent::kEnded, ScriptState::kCleaning},
    ScriptTransition{ScriptState::kTrial, ScriptEvent::kEndedDirty, ScriptState::kCleaning},
    ScriptTransition{ScriptState::kTrial, ScriptEvent::kLost, ScriptState::kDone},
    ScriptTransition{ScriptState::kTrial, ScriptEvent::kKill, ScriptState::kCleaning},
    ScriptTransition{ScriptState::kRunning, ScriptEvent::kEnded, ScriptState::kDone},
    ScriptTransition{ScriptState::kRunning, ScriptEvent::kEndedDirty, ScriptState::kCleaning},
    ScriptTransition{ScriptState::kRunning, ScriptEvent::kLost, ScriptState::kDone},
    ScriptTransition{ScriptState::kRunning, ScriptEvent::kKill, ScriptState::kStopping},
    ScriptTransition{ScriptState::kStopping, ScriptEvent::kEnded, ScriptState::kDone},
    ScriptTransition{ScriptState::kStopping, ScriptEvent::kEndedDirty, ScriptState::kCleaning},
    ScriptTransition{ScriptState::kStopping, ScriptEvent::kLost, ScriptState::kDone},
    ScriptTransition{ScriptState::kCleaning, ScriptEvent::kCleaned, ScriptState::kDone},
    ScriptTransition{ScriptState::kCleaning, ScriptEvent::kLost, ScriptState::kDone},
};

// Nothing: the event means nothing in that state and is ignored (a second cancel, news of a connection that is being closed).
constexpr std::optional<ScriptState> next_state(ScriptState from, ScriptEvent event) {
  for (const ScriptTransition& transition : kScriptTransitions) {
    if (transition.from == from && transition.event == event) return transition.to;
  }
  return std::nullopt;
}

}  // namespace dynflow::remote_execution
