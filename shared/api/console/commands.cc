#include "shared/api/console/commands.h"

#include <algorithm>
#include <array>

#include "shared/api/console/plan_view.h"
#include "shared/engine/event.h"

namespace dynflow::api::console {
namespace {

struct Row {
  Outcome outcome;
  bool is_success;
  std::string_view word;
  std::string_view text;
};

constexpr std::array kOutcomes{
    Row{Outcome::kResumed, true, "resumed", "The execution was resumed"},
    Row{Outcome::kNotPaused, false, "not-paused", "The execution has to be paused to be able to resume"},
    Row{Outcome::kCancelled, true, "cancelled", "The cancel event has been propagated"},
    Row{Outcome::kNothingToCancel, false, "nothing-to-cancel", "Not possible to cancel at the moment"},
    Row{Outcome::kHalted, true, "halted", "The execution was halted"},
    Row{Outcome::kSkipped, true, "skipped", "The step will be skipped when the execution is resumed"},
    Row{Outcome::kNothingToSkip, false, "nothing-to-skip", "The execution has to be paused and the step has to be failed to be able to skip"},
    Row{Outcome::kStepCancelled, true, "step-cancelled", "The step was asked to cancel"},
    Row{Outcome::kStepNotCancellable, false, "step-not-cancellable", "The step does not support cancelling, or is not running"},
};

const Row& row_of(Outcome outcome) {
  return *std::find_if(kOutcomes.begin(), kOutcomes.end(), [&](const Row& row) { return row.outcome == outcome; });
}

// A refusal of the engine that is no failure of ours.
Result<Outcome> outcome_of(const Status& done, Outcome success, Outcome refusal) {
  if (done) return success;
  if (done.error().code() == Code::kConflict) return refusal;
  return done.error();
}

}  // namespace

bool is_success(Outcome outcome) { return row_of(outcome).is_success; }
std::string_view text_of(Outcome outcome) { return row_of(outcome).text; }
std::string_view word_of(Outcome outcome) { return row_of(outcome).word; }

std::optional<Outcome> parse_outcome(std::string_view word) {
  const auto found = std::find_if(kOutcomes.begin(), kOutcomes.end(), [&](const Row& row) { return row.word == word; });
  return found == kOutcomes.end() ? std::nullopt : std::optional(found->outcome);
}

Result<Outcome> resume(engine::World& world, const std::string& plan_id) {
  return outcome_of(world.resume(plan_id), Outcome::kResumed, Outcome::kNotPaused);
}

Result<Outcome> cancel(engine::World& world, const std::string& plan_id, bool force) {
  const auto count = world.cancel(plan_id, force);
  if (!count) return count.error();
  return *count > 0 ? Outcome::kCancelled : Outcome::kNothingToCancel;
}

Result<Outcome> halt(engine::World& world, const std::string& plan_id) {
  if (Status done = world.halt(plan_id); !done) return done.error();
  return Outcome::kHalted;
}

Result<Outcome> skip(engine::World& world, const std::string& plan_id, int step_id) {
  const auto view = view_plan(world, plan_id);
  if (!view.ok()) return view.error();
  const persistence::StepRecord* step = view->step(step_id);
  if (step == nullptr) return Error(Code::kNotFound, "There is no such step");
  if (!may_skip(*view, *step)) return Outcome::kNothingToSkip;
  return outcome_of(world.skip(plan_id, step_id), Outcome::kSkipped, Outcome::kNothingToSkip);
}

Result<Outcome> cancel_step(engine::World& world, const std::string& plan_id, int step_id) {
  const auto view = view_plan(world, plan_id);
  if (!view.ok()) return view.error();
  const persistence::StepRecord* step = view->step(step_id);
  if (step == nullptr) return Error(Code::kNotFound, "There is no such step");
  if (!may_cancel(world, *step)) return Outcome::kStepNotCancellable;
  return outcome_of(world.send_durable(plan_id, step_id, {std::string(engine::kCancel), {}}), Outcome::kStepCancelled,
                    Outcome::kStepNotCancellable);
}

}  // namespace dynflow::api::console
