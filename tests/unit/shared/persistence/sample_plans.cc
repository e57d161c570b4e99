#include "tests/unit/shared/persistence/sample_plans.h"

namespace dynflow::persistence {
namespace {

StepRecord sample_step(int id, int action_id, StepPhase phase, StepState state, const std::string& action_class) {
  StepRecord step;
  step.id = id;
  step.action_id = action_id;
  step.phase = phase;
  step.state = state;
  step.action_class = action_class;
  if (phase != StepPhase::kPlan) step.queue = "default";
  step.progress_weight = 0.5;
  return step;
}

}  // namespace

PlanRecord sample_plan(const std::string& id, const std::string& caller_plan_id) {
  PlanRecord plan;
  plan.id = id;
  plan.label = "Actions::Root";
  plan.state = PlanState::kPlanned;
  plan.root_plan_step_id = 1;
  plan.run_flow = R"(["S",3])";
  plan.finalize_flow = R"(["S",4])";
  plan.started_at = kSampleTime;
  plan.execution_time = 0.25;
  plan.real_time = 0.1;  // no exact binary fraction
  plan.history = {{1'795'329'946, "plan", "world"}};
  plan.request_digest = "digest of " + id;
  plan.owner = "a world";

  ActionRecord root;
  root.id = 1;
  root.action_class = "Actions::Root";
  root.caller_plan_id = caller_plan_id;
  root.caller_action_id = caller_plan_id.empty() ? 0 : 7;
  root.plan_step_id = 1;
  root.finalize_step_id = 4;
  root.input = R"({"text":"ünïcödé 😀 \u0000 escaped"})";
  root.output = "{}";
  ActionRecord child;
  child.id = 2;
  child.action_class = "Actions::Child";
  child.caller_action_id = 1;
  child.plan_step_id = 2;
  child.run_step_id = 3;
  plan.actions = {root, child};

  plan.steps = {sample_step(1, 1, StepPhase::kPlan, StepState::kSuccess, "Actions::Root"),
                sample_step(2, 2, StepPhase::kPlan, StepState::kSuccess, "Actions::Child"),
                sample_step(3, 2, StepPhase::kRun, StepState::kPending, "Actions::Child"),
                sample_step(4, 1, StepPhase::kFinalize, StepState::kPending, "Actions::Renamed")};
  plan.steps[0].children = {2};
  plan.steps[0].started_at = kSampleTime;
  plan.steps[0].ended_at = kSampleTime + std::chrono::microseconds(1);
  plan.steps[0].execution_time = 1e-6;
  plan.steps[0].progress_done = 1;
  return plan;
}

PlanProgress sample_progress(PlanState state, PlanResult result, Time ended_at) {
  PlanProgress progress;
  progress.state = state;
  progress.result = result;
  progress.started_at = kSampleTime;
  if (state == PlanState::kStopped) progress.ended_at = ended_at;
  progress.execution_time = 1.5;
  progress.real_time = 2.25;
  progress.history = {{std::chrono::floor<std::chrono::seconds>(ended_at).time_since_epoch().count(), "change", "w"}};
  return progress;
}

OutputChunk sample_chunk(std::int64_t sequence, const std::string& output) {
  return {sequence, "stdout", output, kSampleTime + std::chrono::microseconds(sequence), "chunk"};
}

EventRecord sample_event(const std::string& id, const std::string& plan_id) {
  return {id, plan_id, 3, "update", R"({"exit_code":0})", kSampleTime, std::nullopt};
}

OutboxRecord sample_outbox(const std::string& id, const std::string& plan_id, Time next_attempt_at) {
  OutboxRecord entry;
  entry.id = id;
  entry.plan_id = plan_id;
  entry.action_id = 2;
  entry.callback = R"({"task_id":"1","step_id":2})";
  entry.request_id = "request";
  entry.created_at = kSampleTime;
  entry.next_attempt_at = next_attempt_at;
  return entry;
}

WriteBatch insertion_of(const std::string& id, const std::string& caller_plan_id) {
  return batch_of(WriteBatch::InsertPlan{sample_plan(id, caller_plan_id)});
}

WriteBatch finished_plan(const std::string& id, Time ended_at) {
  WriteBatch batch = insertion_of(id);
  batch.add(WriteBatch::UpdatePlan{id, sample_progress(PlanState::kStopped, PlanResult::kSuccess, ended_at)});
  return batch;
}

}  // namespace dynflow::persistence
