#include "proxy/dynflow/mode_states.h"

#include <fmt/format.h>

#include <algorithm>

namespace dynflow::proxy {

std::string_view to_string(Side side) { return side == Side::kOwn ? "in-process" : "external"; }

const StateRow& row_of(ModeState state) {
  return *std::find_if(kStates.begin(), kStates.end(), [&](const StateRow& row) { return row.state == state; });
}

std::string_view to_string(ModeState state) { return row_of(state).name; }

std::optional<ModeState> parse_mode_state(std::string_view name) {
  for (const StateRow& row : kStates) {
    if (row.name == name) return row.state;
  }
  return std::nullopt;
}

ModeState settled(Side target) { return target == Side::kOwn ? ModeState::kInProcess : ModeState::kExternal; }

std::string_view to_string(ModeEvent event) {
  switch (event) {
    case ModeEvent::kAskInProcess: return "asked for in-process";
    case ModeEvent::kAskExternal: return "asked for external";
    case ModeEvent::kDrained: return "the old side has nothing left";
    case ModeEvent::kGivenUp: return "the old side is given up";
    case ModeEvent::kFinish: return "finish";
    case ModeEvent::kCancel: return "cancel";
  }
  return "";
}

std::optional<ModeState> next_state(ModeState from, ModeEvent event) {
  for (const Transition& transition : kTransitions) {
    if (transition.from == from && transition.event == event) return transition.to;
  }
  return std::nullopt;
}

std::string states_markdown() {
  std::string out = "| state | launches | one task | bulk status | counts |\n| --- | --- | --- | --- | --- |\n";
  for (const StateRow& row : kStates) {
    out += fmt::format("| {} | {} | {} | {} | {} |\n", row.name, row.launches, row.by_id, row.bulk, row.counts);
  }
  return out;
}

std::string transitions_markdown() {
  std::string out = "| from | what happens | to |\n| --- | --- | --- |\n";
  for (const Transition& transition : kTransitions) {
    const bool is_change = transition.from != transition.to;
    out += fmt::format("| {} | {} | {} |\n", to_string(transition.from), to_string(transition.event),
                       is_change ? to_string(transition.to) : "(no change)");
  }
  return out;
}

}  // namespace dynflow::proxy
