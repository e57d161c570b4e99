// The states of the proxy between its two places for tasks, and what moves it from one to another: data.
//
// Tasks live in two places: *own*, the core in this process, and *other*, the core service behind the relay. A
// hand-over is the time in which both have unfinished tasks: new launches go to one side, everything about a task goes
// to the side that has it.
//
// Threads: values and pure functions.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace dynflow::proxy {

enum class Side { kOwn, kOther };
// "in-process" and "external": for documents and the log.
std::string_view to_string(Side side);
constexpr Side opposite(Side side) { return side == Side::kOwn ? Side::kOther : Side::kOwn; }

enum class ModeState {
  kInProcess,    // the core in this process has everything
  kExternal,     // the core service has everything
  kToInProcess,  // launches run here, the core service finishes what it has
  kToExternal,   // launches go to the core service, this process finishes what it has
};

struct StateRow {
  ModeState state;
  std::string_view name;     // in the state file, the documents and the log
  Side target;               // new launches go there
  bool is_hand_over;         // the side that is not the target must be asked about tasks, too
  std::string_view launches, by_id, bulk, counts;  // for the documentation: who answers what
};

inline constexpr std::array<StateRow, 4> kStates{{
    {ModeState::kInProcess, "in-process", Side::kOwn, false, "own", "own, then other (follow-up)",
     "own, then other (follow-up)", "own"},
    {ModeState::kExternal, "external", Side::kOther, false, "other", "own (follow-up), then other",
     "own (follow-up), then other", "other"},
    {ModeState::kToInProcess, "hand-over to in-process", Side::kOwn, true, "own; ids that other has: other", "the owner",
     "both, else 503", "both, added"},
    {ModeState::kToExternal, "hand-over to external", Side::kOther, true, "other; ids that own has: own", "the owner",
     "both, else 503", "both, added"},
}};
const StateRow& row_of(ModeState state);
std::string_view to_string(ModeState state);
// Nothing for a name that is none.
std::optional<ModeState> parse_mode_state(std::string_view name);
// The state without a hand-over in which launches go to `target`.
ModeState settled(Side target);

enum class ModeEvent {
  kAskInProcess,  // `external_core` became false, or "begin" with false
  kAskExternal,   // `external_core` became true, or "begin" with true
  kDrained,       // the old side has no unfinished task and no undelivered callback
  kGivenUp,       // the old side could not be asked for too long
  kFinish,        // "finish": the administrator does not want to wait
  kCancel,        // "cancel": back to where launches went before
};
std::string_view to_string(ModeEvent event);

struct Transition {
  ModeState from;
  ModeEvent event;
  ModeState to;
};

// Every begin goes through a hand-over, also when nothing is left on the old side: then it ends at once. So launches that
// are under way when it begins are never overlooked. What is not in the table is refused.
inline constexpr std::array<Transition, 16> kTransitions{{
    {ModeState::kInProcess, ModeEvent::kAskInProcess, ModeState::kInProcess},
    {ModeState::kInProcess, ModeEvent::kAskExternal, ModeState::kToExternal},
    {ModeState::kExternal, ModeEvent::kAskInProcess, ModeState::kToInProcess},
    {ModeState::kExternal, ModeEvent::kAskExternal, ModeState::kExternal},
    {ModeState::kToInProcess, ModeEvent::kAskInProcess, ModeState::kToInProcess},
    {ModeState::kToInProcess, ModeEvent::kAskExternal, ModeState::kToExternal},
    {ModeState::kToInProcess, ModeEvent::kDrained, ModeState::kInProcess},
    {ModeState::kToInProcess, ModeEvent::kGivenUp, ModeState::kInProcess},
    {ModeState::kToInProcess, ModeEvent::kFinish, ModeState::kInProcess},
    {ModeState::kToInProcess, ModeEvent::kCancel, ModeState::kToExternal},
    {ModeState::kToExternal, ModeEvent::kAskInProcess, ModeState::kToInProcess},
    {ModeState::kToExternal, ModeEvent::kAskExternal, ModeState::kToExternal},
    {ModeState::kToExternal, ModeEvent::kDrained, ModeState::kExternal},
    {ModeState::kToExternal, ModeEvent::kGivenUp, ModeState::kExternal},
    {ModeState::kToExternal, ModeEvent::kFinish, ModeState::kExternal},
    {ModeState::kToExternal, ModeEvent::kCancel, ModeState::kToInProcess},
}};
// The state after `event`; nothing when it is refused in that state.
std::optional<ModeState> next_state(ModeState from, ModeEvent event);

// The two tables as they stand in docs/modes.md.
std::string states_markdown();
std::string transitions_markdown();

}  // namespace dynflow::proxy
