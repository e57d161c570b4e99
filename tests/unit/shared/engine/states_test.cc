// The state machines: docs/states.md shows the tables, and the tables keep what people rely on.

#include "shared/engine/states.h"

#include <set>

#include "tests/support/made_page.h"

namespace dynflow::engine {
namespace {

using persistence::to_string;

std::string plan_picture() {
  std::string text = "```mermaid\nstateDiagram-v2\n  [*] --> pending\n";
  for (const PlanTransition& row : plan_transitions()) {
    for (const PlanState to : row.to) {
      text += "  " + std::string(to_string(row.from)) + " --> " + std::string(to_string(to)) + "\n";
    }
    if (row.to.empty()) text += "  " + std::string(to_string(row.from)) + " --> [*]\n";
  }
  return text + "```\n";
}

std::string step_picture(StepPhase phase) {
  std::string text = "```mermaid\nstateDiagram-v2\n";
  for (const StepTransition& row : step_transitions()) {
    if (row.phase != phase) continue;
    for (const StepState to : row.to) {
      text += "  " + std::string(to_string(row.from)) + " --> " + std::string(to_string(to)) + "\n";
    }
    if (row.to.empty()) text += "  " + std::string(to_string(row.from)) + " --> [*]\n";
  }
  return text + "```\n";
}

std::string history_table() {
  std::string text = "| entering | history entry |\n| --- | --- |\n";
  for (const PlanTransition& row : plan_transitions()) {
    const std::string_view name = history_name(row.from);
    if (!name.empty()) text += "| " + std::string(to_string(row.from)) + " | " + std::string(name) + " |\n";
  }
  return text;
}

std::string page() {
  std::string text =
      "# States of plans and steps\n\n"
      "Made from the tables in `shared/engine/states.cc`; do not edit by hand: run the test `engine_test` with\n"
      "`DYNFLOW_WRITE_DOCS=1` in its environment. Names are Dynflow's; what is not drawn does not happen.\n\n"
      "## Execution plans\n\n" +
      plan_picture() + "\n" + history_table();
  for (const StepPhase phase : {StepPhase::kPlan, StepPhase::kRun, StepPhase::kFinalize}) {
    text += "\n## " + std::string(to_string(phase)) + " steps\n\n" + step_picture(phase);
  }
  return text;
}

TEST_CASE("docs/states.md is what the tables say") { test::check_page(std::string(DYNFLOW_DOCS) + "/states.md", page()); }

TEST_CASE("every state that can be entered can be left, or is an end") {
  std::set<PlanState> known;
  for (const PlanTransition& row : plan_transitions()) CHECK(known.insert(row.from).second);
  for (const PlanTransition& row : plan_transitions()) {
    for (const PlanState to : row.to) CHECK(known.count(to) == 1);
    CHECK(row.to.empty() == (row.from == PlanState::kStopped));
  }
  std::set<std::pair<StepPhase, StepState>> steps;
  for (const StepTransition& row : step_transitions()) CHECK(steps.insert({row.phase, row.from}).second);
  for (const StepTransition& row : step_transitions()) {
    for (const StepState to : row.to) CHECK(steps.count({row.phase, to}) == 1);
  }
}

}  // namespace
}  // namespace dynflow::engine
