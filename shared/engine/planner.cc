#include "shared/engine/planner.h"

#include <utility>
#include <vector>

#include "shared/engine/flow.h"
#include "shared/engine/queues.h"
#include "shared/engine/references.h"
#include "shared/engine/states.h"
#include "shared/engine/step_error.h"
#include "shared/engine/step_order.h"
#include "shared/engine/storable.h"
#include "shared/json/json.h"

namespace dynflow::engine {

using persistence::ActionRecord;
using persistence::StepError;

namespace {

class Planner {
 public:
  Planner(World& world, const ActionRegistry& registry, const PlanRequest& request, const PlanLimits& limits)
      : world_(world), registry_(registry), request_(request), limits_(limits) {}

  NewPlan make();

 private:
  class Context;
  // The action by which another one is planned.
  struct Origin {
    int action_id = 0;
    int step_id = 0;
    const ActionClass* action_class = nullptr;  // null: this is the root
    const Json* trigger_input = nullptr;        // null: no subscription
  };

  void plan_root();
  // The rows of an action and its plan step, which runs from now on.
  ActionRecord& add_action(std::string_view name, const Origin& origin);
  // Returns the reference to the output of the planned action; throws what its plan phase threw.
  OutputReference plan_action(std::string_view name, const Origin& origin, Json args);
  void plan_with_subscribers(const ActionClass& action_class, Context& context, Json args);
  int add_step(StepPhase phase, const ActionRecord& action, std::string_view queue = {});
  StepRecord& step(int id) { return record_.steps[static_cast<std::size_t>(id - 1)]; }
  ActionRecord& action(int id) { return record_.actions[static_cast<std::size_t>(id - 1)]; }
  // Runs `block` with a flow of its own, which is then put into the one around it.
  void in_flow(const Flow& flow, const std::function<void()>& block);
  void add_to_flows(int run_step_id);
  void keep_order(const Flow& shown);
  void end_step(int id, StepState state, std::optional<StepError> error);

  World& world_;
  const ActionRegistry& registry_;
  const PlanRequest& request_;
  const PlanLimits& limits_;
  PlanRecord record_;
  std::size_t input_bytes_ = 0;
  DependencyGraph dependencies_;
  std::vector<Flow> flows_{Flow::concurrence()};  // the open ones, innermost last
  std::vector<Flow> asked_{Flow::concurrence()};  // the same without what dependencies add
  std::vector<std::pair<int, int>> references_;   // run steps: user, used
  Flow finalize_flow_ = Flow::sequence();
  std::string label_;                             // what the root action says
};

class Planner::Context final : public Planning {
 public:
  Context(Planner& planner, int action_id, const Origin& origin, const ActionClass& action_class)
      : planner_(planner),
        action_id_(action_id),
        class_(action_class),
        queue_(!action_class.queue.empty() ? action_class.queue
               : origin.action_class && !origin.action_class->queue.empty() ? origin.action_class->queue
                                                                            : kDefaultQueue),
        trigger_input_(origin.trigger_input) {}

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
      record.run_step_id = planner_.add_step(StepPhase::kRun, record, queue_);
      for (const OutputReference& reference : find_references(input_)) {
        // A reference into another plan can never be put behind the step it needs: it stays unresolved and fails the plan.
        const bool is_ours = reference.plan_id == plan_id();
        planner_.dependencies_.add(record.run_step_id, is_ours ? reference.step_id : 0);
        planner_.references_.emplace_back(record.run_step_id, reference.step_id);
      }
      planner_.add_to_flows(record.run_step_id);
    }
    if (class_.has_finalize) {
      record.finalize_step_id = planner_.add_step(StepPhase::kFinalize, record, queue_);
      planner_.finalize_flow_.append(Flow::step(record.finalize_step_id));
    }
    return {plan_id(), record.run_step_id, action_id_, {}};
  }

  OutputReference plan_action(std::string_view action_class, Json args) override {
    return planner_.plan_action(action_class, origin(), std::move(args));
  }
  const Json* trigger_input() const override { return trigger_input_; }
  void sequence(const std::function<void()>& block) override { planner_.in_flow(Flow::sequence(), block); }
  void concurrence(const std::function<void()>& block) override { planner_.in_flow(Flow::concurrence(), block); }

  Origin origin() const { return {action_id_, planner_.action(action_id_).plan_step_id, &class_, nullptr}; }

 private:
  Planner& planner_;
  const int action_id_;
  Json input_ = Json::object();
  const ActionClass& class_;
  const std::string_view queue_;
  const Json* const trigger_input_;
};

int Planner::add_step(StepPhase phase, const ActionRecord& action, std::string_view queue) {
  if (record_.steps.size() >= limits_.steps) {
    throw ActionError("RangeError", "an execution plan has at most " + std::to_string(limits_.steps) + " steps");
  }
  StepRecord step;
  step.id = static_cast<int>(record_.steps.size()) + 1;
  step.action_id = action.id;
  step.phase = phase;
  step.action_class = action.action_class;
  if (phase == StepPhase::kPlan) {
    step.progress_weight = 0;
  } else {
    step.queue = queue;
  }
  record_.steps.push_back(std::move(step));
  return record_.steps.back().id;
}

void Planner::in_flow(const Flow& flow, const std::function<void()>& block) {
  const auto depth = static_cast<std::ptrdiff_t>(flows_.size());
  flows_.push_back(flow);
  asked_.push_back(flow);
  try {
    block();
  } catch (...) {
    flows_.erase(flows_.begin() + depth, flows_.end());
    asked_.erase(asked_.begin() + depth, asked_.end());
    throw;
  }
  Flow closed = std::move(flows_.back());
  flows_.pop_back();
  flows_.back().add_and_resolve(dependencies_, std::move(closed));
  closed = std::move(asked_.back());
  asked_.pop_back();
  if (!closed.is_empty()) asked_.back().append(std::move(closed));
}

void Planner::add_to_flows(int run_step_id) {
  flows_.back().add_and_resolve(dependencies_, Flow::step(run_step_id));
  asked_.back().append(Flow::step(run_step_id));
}

// Where the tree cannot say it, what the run steps wait for stands with them.
void Planner::keep_order(const Flow& shown) {
  auto order = order_beyond(shown, asked_.front(), references_);
  if (!order) return;
  for (auto& [step_id, waits_for] : *order) step(step_id).children = std::move(waits_for);
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

ActionRecord& Planner::add_action(std::string_view name, const Origin& origin) {
  ActionRecord fresh;
  fresh.id = static_cast<int>(record_.actions.size()) + 1;
  fresh.action_class = name;
  fresh.caller_action_id = origin.action_id;
  if (!origin.action_class) {
    fresh.caller_plan_id = request_.caller_plan_id;
    fresh.caller_action_id = request_.caller_action_id;
  }
  fresh.plan_step_id = add_step(StepPhase::kPlan, fresh);
  if (origin.step_id > 0) step(origin.step_id).children.push_back(fresh.plan_step_id);
  step(fresh.plan_step_id).state = StepState::kRunning;
  step(fresh.plan_step_id).started_at = world_.clock().now();
  record_.actions.push_back(std::move(fresh));
  return record_.actions.back();
}

OutputReference Planner::plan_action(std::string_view name, const Origin& origin, Json args) {
  const ActionClass* action_class = registry_.find(name);
  if (!action_class) throw ActionError("NameError", "unknown action class '" + std::string(name) + "'");

  const ActionRecord& added = add_action(name, origin);
  const int action_id = added.id;
  const int step_id = added.plan_step_id;
  Context context(*this, action_id, origin, *action_class);
  const auto keep_input = [&]() -> Status {
    // Behind what the action put there: smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/middleware/keep_current_request_id.rb.
    if (context.input().is_object() && !request_.request_id.empty() && !context.input().contains("current_request_id")) {
      context.input()["current_request_id"] = request_.request_id;
    }
    auto text = storable_json(context.input());
    if (!text.ok()) return text.error();
    std::string& kept = action(action_id).input;
    const std::size_t bytes = input_bytes_ - kept.size() + text->size();
    if (bytes > limits_.input_bytes) {
      return Error(Code::kTooLarge, "makes the inputs of the plan larger than " + std::to_string(limits_.input_bytes) + " bytes");
    }
    input_bytes_ = bytes;
    kept = std::move(*text);
    return {};
  };
  try {
    plan_with_subscribers(*action_class, context, std::move(args));
    if (const auto kept = keep_input(); !kept.ok()) {
      throw ActionError("TypeError", "input of " + std::string(name) + " " + kept.error().message());
    }
  } catch (const std::exception& e) {
    (void)keep_input();  // what there is of it, beside the error
    end_step(step_id, StepState::kError, to_step_error(e));
    throw;
  }
  end_step(step_id, StepState::kSuccess, std::nullopt);
  return {record_.id, action(action_id).run_step_id, action_id, {}};
}

// The plan phase itself; then the actions that subscribe to this one, concurrently with all that it planned.
void Planner::plan_with_subscribers(const ActionClass& action_class, Context& context, Json args) {
  const auto& subscribers = registry_.subscribers_of(action_class);
  const Json args_of_subscribers = subscribers.empty() ? Json() : Json(args);
  const auto plan_itself = [&] {
    const auto object = action_class.make();
    if (const MiddlewareStack* stack = world_.middleware_of(&action_class)) {
      stack->plan(context, args, [&] { object->plan(context, std::move(args)); });
    } else {
      object->plan(context, std::move(args));
    }
    if (context.action_id() == 1) label_ = object->label(context.input());
  };
  if (subscribers.empty()) return in_flow(Flow::concurrence(), plan_itself);
  in_flow(Flow::concurrence(), [&] {
    in_flow(Flow::concurrence(), plan_itself);
    Origin origin = context.origin();
    origin.trigger_input = &context.input();
    for (const ActionClass* subscriber : subscribers) plan_action(subscriber->name, origin, args_of_subscribers);
  });
}

void Planner::plan_root() {
  const auto plan = [&] { plan_action(request_.action_class, {}, request_.args); };
  const MiddlewareStack* stack = world_.middleware_of(registry_.find(request_.action_class));
  stack ? stack->plan_phase({world_, record_}, plan) : plan();
}

NewPlan Planner::make() {
  record_.id = request_.plan_id;
  record_.request_digest = request_.request_digest;
  record_.state = PlanState::kPlanning;
  record_.started_at = world_.clock().now();
  record_.root_plan_step_id = 1;
  NewPlan made;
  try {
    plan_root();
    if (record_.steps.empty()) throw ActionError("RuntimeError", "a middleware kept the plan from being planned");
    for (const StepRecord& planned : record_.steps) {
      // An action above may have caught what its child threw; the plan has failed all the same.
      if (planned.error) throw ActionError(planned.error->exception_class, planned.error->message);
    }
    if (!dependencies_.is_resolved()) {
      throw ActionError("RuntimeError", "Some dependencies were not resolved: " + dependencies_.unresolved_text());
    }
    keep_order(flows_.front());
    record_.run_flow = std::move(flows_.front()).without_needless_root().to_json();
    record_.finalize_flow = finalize_flow_.to_json();
    record_.state = PlanState::kPlanned;
  } catch (const std::exception& e) {
    made.error = to_step_error(e);
  } catch (...) {
    made.error = unknown_error();
  }
  record_.label = label_.empty() ? request_.action_class : storable_text(label_);
  if (made.error) {
    if (record_.steps.empty()) add_action(request_.action_class, {});  // for the error to stand somewhere
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

NewPlan make_plan(World& world, const ActionRegistry& registry, const PlanRequest& request, const PlanLimits& limits) {
  return Planner(world, registry, request, limits).make();
}

}  // namespace dynflow::engine
