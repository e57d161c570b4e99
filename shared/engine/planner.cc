#include "shared/engine/planner.h"

#include <utility>

#include "shared/engine/flow.h"
#include "shared/engine/references.h"
#include "shared/engine/states.h"
#include "shared/json/json.h"

namespace dynflow::engine {

using persistence::ActionRecord;
using persistence::StepError;

namespace {

constexpr std::size_t kMaxErrorBytes = 64 * 1024;
constexpr std::string_view kDefaultQueue = "default";

class Planner {
 public:
  Planner(World& world, const ActionRegistry& registry, const PlanRequest& request)
      : world_(world), registry_(registry), request_(request) {}

  NewPlan make();

 private:
  class Context;

  // Returns the reference to the output of the planned action; throws what its plan phase threw.
  OutputReference plan_action(std::string_view name, int parent_action_id, int parent_step_id, Json args);
  int add_step(StepPhase phase, const ActionRecord& action);
  StepRecord& step(int id) { return record_.steps[static_cast<std::size_t>(id - 1)]; }
  ActionRecord& action(int id) { return record_.actions[static_cast<std::size_t>(id - 1)]; }
  // Runs `block` with a flow of its own, which is then put into the one around it.
  void in_flow(Flow flow, const std::function<void()>& block);
  void end_step(int id, StepState state, std::optional<StepError> error);

  World& world_;
  const ActionRegistry& registry_;
  const PlanRequest& request_;
  PlanRecord record_;
  DependencyGraph dependencies_;
  std::vector<Flow> flows_{Flow::concurrence()};  // the open ones, innermost last
  Flow finalize_flow_ = Flow::sequence();
};

class Planner::Context final : public Planning {
 public:
  Context(Planner& planner, int action_id, Json input, const ActionClass& action_class)
      : planner_(planner), action_id_(action_id), input_(std::move(input)), class_(action_class) {}

  World& world() override { return planner_.world_; }
  const std::string& plan_id() const override { return planner_.record_.id; }
  int action_id() const override { return action_id_; }
  const std::string& action_class() const override { return planner_.action(action_id_).action_class; }
  const std::string& caller_plan_id() const override { return planner_.request_.caller_plan_id; }
  const Json& secrets() const override { return planner_.request_.secrets; }
  Json& input() override { return input_; }
  std::string request_id() const override { return json::get_string(input_, "current_request_id"); }

  OutputReference plan_self(Json input) override {
    if (!input.is_object() && !input.is_null()) {
      throw ActionError("TypeError", "input of " + action_class() + " is no object");
    }
    if (!input_.is_object()) input_ = Json::object();
    for (auto& [key, value] : input.items()) input_[key] = std::move(value);

    ActionRecord& record = planner_.action(action_id_);
    if (class_.has_run) {
      record.run_step_id = planner_.add_step(StepPhase::kRun, record);
      for (const OutputReference& reference : find_references(input_)) {
        // A reference into another plan can never be put behind the step it needs: it stays unresolved and fails the plan.
        const bool is_ours = reference.plan_id == plan_id();
        planner_.dependencies_.add(record.run_step_id, is_ours ? reference.step_id : 0);
      }
      planner_.flows_.back().add_and_resolve(planner_.dependencies_, Flow::step(record.run_step_id));
    }
    if (class_.has_finalize) {
      record.finalize_step_id = planner_.add_step(StepPhase::kFinalize, record);
      planner_.finalize_flow_.append(Flow::step(record.finalize_step_id));
    }
    return {plan_id(), record.run_step_id, action_id_, {}};
  }

  OutputReference plan_action(std::string_view action_class, Json args) override {
    return planner_.plan_action(action_class, action_id_, planner_.action(action_id_).plan_step_id, std::move(args));
  }
  void sequence(const std::function<void()>& block) override { planner_.in_flow(Flow::sequence(), block); }
  void concurrence(const std::function<void()>& block) override { planner_.in_flow(Flow::concurrence(), block); }

 private:
  Planner& planner_;
  const int action_id_;
  Json input_;
  const ActionClass& class_;
};

int Planner::add_step(StepPhase phase, const ActionRecord& action) {
  StepRecord step;
  step.id = static_cast<int>(record_.steps.size()) + 1;
  step.action_id = action.id;
  step.phase = phase;
  step.action_class = action.action_class;
  if (phase == StepPhase::kPlan) {
    step.progress_weight = 0;
  } else {
    step.queue = kDefaultQueue;
  }
  record_.steps.push_back(std::move(step));
  return record_.steps.back().id;
}

void Planner::in_flow(Flow flow, const std::function<void()>& block) {
  const std::size_t depth = flows_.size();
  flows_.push_back(std::move(flow));
  try {
    block();
  } catch (...) {
    flows_.erase(flows_.begin() + static_cast<std::ptrdiff_t>(depth), flows_.end());
    throw;
  }
  Flow closed = std::move(flows_.back());
  flows_.pop_back();
  flows_.back().add_and_resolve(dependencies_, std::move(closed));
}

void Planner::end_step(int id, StepState state, std::optional<StepError> error) {
  StepRecord& ended = step(id);
  ended.state = state;
  ended.error = std::move(error);
  ended.ended_at = world_.clock().now();
  ended.real_time = std::chrono::duration<double>(*ended.ended_at - *ended.started_at).count();
  ended.execution_time = ended.real_time;
  ended.progress_done = state == StepState::kSuccess ? 1 : 0;
}

OutputReference Planner::plan_action(std::string_view name, int parent_action_id, int parent_step_id, Json args) {
  const ActionClass* action_class = registry_.find(name);
  if (!action_class) throw ActionError("NameError", "unknown action class '" + std::string(name) + "'");

  ActionRecord fresh;
  fresh.id = static_cast<int>(record_.actions.size()) + 1;
  fresh.action_class = name;
  fresh.caller_action_id = parent_action_id;
  if (parent_action_id == 0) {
    fresh.caller_plan_id = request_.caller_plan_id;
    fresh.caller_action_id = request_.caller_action_id;
  }
  const int action_id = fresh.id;
  const int step_id = add_step(StepPhase::kPlan, fresh);
  fresh.plan_step_id = step_id;
  record_.actions.push_back(std::move(fresh));
  if (parent_step_id > 0) step(parent_step_id).children.push_back(step_id);

  step(step_id).state = StepState::kRunning;
  step(step_id).started_at = world_.clock().now();
  Context context(*this, action_id, Json::object(), *action_class);
  const auto keep_input = [&] {
    // Behind what the action put there: smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/middleware/keep_current_request_id.rb.
    if (!request_.request_id.empty() && !context.input().contains("current_request_id")) {
      context.input()["current_request_id"] = request_.request_id;
    }
    action(action_id).input = json::dump(context.input());
  };
  try {
    in_flow(Flow::concurrence(), [&] { action_class->make()->plan(context, std::move(args)); });
    if (!context.input().is_object()) throw ActionError("TypeError", "input of " + std::string(name) + " is no object");
  } catch (const std::exception& e) {
    if (context.input().is_object()) keep_input();
    end_step(step_id, StepState::kError, to_step_error(e));
    throw;
  }
  keep_input();
  end_step(step_id, StepState::kSuccess, std::nullopt);
  return {record_.id, action(action_id).run_step_id, action_id, {}};
}

NewPlan Planner::make() {
  record_.id = request_.plan_id;
  record_.request_digest = request_.request_digest;
  record_.state = PlanState::kPlanning;
  record_.started_at = world_.clock().now();
  record_.root_plan_step_id = 1;
  NewPlan made;
  try {
    plan_action(request_.action_class, 0, 0, request_.args);
    for (const StepRecord& planned : record_.steps) {
      // An action above may have caught what its child threw; the plan has failed all the same.
      if (planned.error) throw ActionError(planned.error->exception_class, planned.error->message);
    }
    if (!dependencies_.is_resolved()) {
      throw ActionError("RuntimeError", "Some dependencies were not resolved: " + dependencies_.unresolved_text());
    }
    record_.run_flow = std::move(flows_.front()).without_needless_root().to_json();
    record_.finalize_flow = finalize_flow_.to_json();
    record_.state = PlanState::kPlanned;
  } catch (const std::exception& e) {
    made.error = to_step_error(e);
  } catch (...) {
    made.error = StepError{"UnknownError", "something that is no exception was thrown", {}};
  }
  record_.label = request_.action_class;
  if (made.error) {
    for (StepRecord& planned : record_.steps) {
      // Where something that is no exception was thrown, the steps on the way are still running; where a reference is
      // unresolved, none has failed yet.
      const bool is_root = planned.id == record_.root_plan_step_id && !planned.error;
      if (planned.phase == StepPhase::kPlan && (planned.state == StepState::kRunning || is_root)) {
        end_step(planned.id, StepState::kError, made.error);
      }
    }
    record_.state = PlanState::kStopped;
    record_.ended_at = world_.clock().now();
    record_.real_time = std::chrono::duration<double>(*record_.ended_at - *record_.started_at).count();
    for (const StepRecord& planned : record_.steps) record_.execution_time += planned.execution_time;
    record_.history.push_back({std::chrono::duration_cast<std::chrono::seconds>(record_.ended_at->time_since_epoch()).count(),
                               std::string(history_name(PlanState::kStopped)), world_.id()});
  }
  record_.result = result_of(record_.steps);
  made.record = std::move(record_);
  return made;
}

}  // namespace

NewPlan make_plan(World& world, const ActionRegistry& registry, const PlanRequest& request) {
  return Planner(world, registry, request).make();
}

StepError to_step_error(const std::exception& e) {
  StepError error;
  const auto* known = dynamic_cast<const ActionError*>(&e);
  error.exception_class = known ? known->exception_class() : "RuntimeError";
  error.message = std::string(e.what()).substr(0, kMaxErrorBytes);
  return error;
}

}  // namespace dynflow::engine
