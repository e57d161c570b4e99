#include "shared/engine/delayed_plan.h"

#include <exception>
#include <memory>
#include <utility>

#include "shared/engine/plan_changes.h"
#include "shared/engine/serializer.h"
#include "shared/engine/step_error.h"
#include "shared/json/json.h"

namespace dynflow::engine {

using persistence::ActionRecord;
using persistence::StepError;

namespace {

// As Ruby prints a time: "2026-11-22 06:52:28 UTC".
std::string ruby_time(Time time) { return dynflow_time(time).substr(0, 19) + " UTC"; }

void stop_with(PlanRecord& plan, StepState state, std::optional<StepError> error, std::string_view entry, Time now,
               const std::string& world_id) {
  if (!plan.steps.empty()) {
    StepRecord& root = plan.steps.front();
    root.state = state;
    root.error = std::move(error);
  }
  mark_stopped(plan, now);
  add_history(plan, now, entry, world_id);
}

void fail_with(PlanRecord& plan, std::string text, std::string_view entry, Time now, const std::string& world_id) {
  stop_with(plan, StepState::kError, StepError{"StandardError", std::move(text), {}}, entry, now, world_id);
}

}  // namespace

NewDelayedPlan make_delayed_plan(World& world, const ActionRegistry& registry, const PlanRequest& request,
                                 const DelayOptions& options, const std::string& world_id) {
  const Time now = world.clock().now();
  NewDelayedPlan made;
  PlanRecord& plan = made.record;
  plan.id = request.plan_id;
  plan.request_digest = request.request_digest;
  plan.root_plan_step_id = 1;

  ActionRecord root;
  root.id = 1;
  root.action_class = request.action_class;
  root.caller_plan_id = request.caller_plan_id;
  root.caller_action_id = request.caller_action_id;
  root.plan_step_id = 1;
  if (!request.request_id.empty()) root.input = json::dump(Json{{"current_request_id", request.request_id}});
  plan.actions.push_back(std::move(root));

  StepRecord step;
  step.id = 1;
  step.action_id = 1;
  step.phase = StepPhase::kPlan;
  step.state = StepState::kPending;
  step.action_class = request.action_class;
  step.progress_weight = 0;
  plan.steps.push_back(std::move(step));

  made.error = error_of([&] {
    const std::unique_ptr<Action> action = registry.find(request.action_class)->make();
    const Serializer& serializer = action->serializer();
    made.delayed.args = json::dump(serializer.serialize(world.delayed_args(request.plan_id, request.action_class, request.args)));
    made.delayed.serializer = serializer.name();
  });
  if (made.error) {
    stop_with(plan, StepState::kError, made.error, history_name(PlanState::kStopped), now, world_id);
    return made;
  }
  made.delayed.plan_id = plan.id;
  made.delayed.start_at = options.start_at;
  made.delayed.start_before = options.start_before;
  made.delayed.is_frozen = options.is_frozen;
  made.delayed.blocked_by = options.blocked_by;
  plan.state = PlanState::kScheduled;
  plan.result = result_of(plan.steps);
  add_history(plan, now, history_name(PlanState::kScheduled), world_id);
  return made;
}

Result<PlanRequest> request_of(const ActionRegistry& registry, const PlanRecord& plan,
                               const persistence::DelayedRecord& delayed) {
  if (plan.actions.empty()) return Error(Code::kInvalid, "the plan has no action");
  const ActionRecord& root = plan.actions.front();
  const ActionClass* action_class = registry.find(root.action_class);
  if (!action_class) {
    return Error(Code::kNotFound, "The action class '" + root.action_class + "' is not known here");
  }
  PlanRequest request;
  request.plan_id = plan.id;
  request.action_class = root.action_class;
  request.caller_plan_id = root.caller_plan_id;
  request.caller_action_id = root.caller_action_id;
  request.request_digest = plan.request_digest;
  if (const auto input = json::parse(root.input); input.ok()) request.request_id = json::get_string(*input, "current_request_id");
  auto args = json::parse(delayed.args);
  if (!args.ok()) return Error(Code::kInvalid, "the arguments are missing or cannot be read: " + args.error().message());
  try {
    const std::unique_ptr<Action> action = action_class->make();
    const Serializer& serializer = action->serializer();
    if (serializer.name() != delayed.serializer) {
      return Error(Code::kInvalid, "the arguments were stored by " + delayed.serializer + ", which is not known here");
    }
    request.args = serializer.deserialize(std::move(*args));
  } catch (const std::exception& e) {
    return Error(Code::kInvalid, e.what());
  }
  return request;
}

void expire(PlanRecord& plan, Time start_before, Time now, const std::string& world_id) {
  fail_with(plan, "Execution plan could not be started before set time (" + ruby_time(start_before) + ")", "timeout", now,
            world_id);
}

void fail_dependency(PlanRecord& plan, const std::vector<std::string>& failed, Time now, const std::string& world_id) {
  std::string text = "Execution plan could not be started because some of its prerequisite execution plans failed:";
  for (const std::string& id : failed) text += "\n- " + id;
  fail_with(plan, std::move(text), "failed-dependency", now, world_id);
}

void fail_delayed(PlanRecord& plan, const std::string& text, Time now, const std::string& world_id) {
  fail_with(plan, text, history_name(PlanState::kStopped), now, world_id);
}

void cancel_delayed(PlanRecord& plan, Time now, const std::string& world_id) {
  stop_with(plan, StepState::kCancelled, std::nullopt, "Delayed task cancelled", now, world_id);
}

}  // namespace dynflow::engine
