#include <algorithm>
#include <cassert>
#include <utility>

#include "shared/engine/execution.h"
#include "shared/engine/planner.h"
#include "shared/engine/references.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::ActionRecord;
using persistence::StepError;

namespace {

// What both contexts know. It refers to the outcome, which keeps what the action changed.
template <class Interface>
class ContextBase : public Interface {
 public:
  ContextBase(World& world, const PlanRecord& plan, const ActionRecord& action, const Json& secrets, Json& input,
              Json& output)
      : world_(world), plan_(plan), action_(action), secrets_(secrets), input_(input), output_(output) {}

  World& world() override { return world_; }
  const std::string& plan_id() const override { return plan_.id; }
  int action_id() const override { return action_.id; }
  const std::string& action_class() const override { return action_.action_class; }
  const std::string& caller_plan_id() const override { return plan_.actions.front().caller_plan_id; }
  const Json& secrets() const override { return secrets_; }
  Json& input() override { return input_; }
  std::string request_id() const override { return json::get_string(input_, "current_request_id"); }
  Json& output() override { return output_; }

 private:
  World& world_;
  const PlanRecord& plan_;
  const ActionRecord& action_;
  const Json& secrets_;
  Json& input_;
  Json& output_;
};

Json parse_object(const std::string& text, std::string_view what) {
  if (text.empty() || text == "{}") return Json::object();
  auto parsed = json::parse(text);
  if (!parsed.ok() || !parsed->is_object()) {
    throw ActionError("StandardError", "stored " + std::string(what) + " cannot be read" +
                                           (parsed.ok() ? std::string() : ": " + parsed.error().message()));
  }
  return std::move(*parsed);
}

template <class Body>
std::optional<StepError> error_of(Body&& body) {
  try {
    body();
    return std::nullopt;
  } catch (const std::exception& e) {
    return to_step_error(e);
  } catch (...) {
    return StepError{"UnknownError", "something that is no exception was thrown", {}};
  }
}

double finite(double value) { return value >= 0 && value <= 1e300 ? value : 0; }  // false for NaN

}  // namespace

class Execution::RunningContext final : public ContextBase<Running> {
 public:
  RunningContext(Execution& execution, int step_id, Outcome& outcome)
      : ContextBase(*execution.surroundings_.world, execution.plan_, execution.action_of(step_id), execution.secrets_,
                    outcome.input, outcome.output),
        step_id_(step_id),
        outcome_(outcome) {}

  SuspendedAction suspend() override {
    outcome_.is_suspended = true;
    return SuspendedAction(world(), plan_id(), step_id_);
  }
  void plan_event(Event event, Duration after) override {
    outcome_.planned_events.emplace_back(std::move(event), after);
  }
  persistence::WriteBatch& transaction() override { return outcome_.rows; }
  int step_id() const override { return step_id_; }

 private:
  const int step_id_;
  Outcome& outcome_;
};

class Execution::FinalizingContext final : public ContextBase<Finalizing> {
 public:
  FinalizingContext(Execution& execution, int step_id, Outcome& outcome)
      : ContextBase(*execution.surroundings_.world, execution.plan_, execution.action_of(step_id), execution.secrets_,
                    outcome.input, outcome.output) {}
};

const ActionClass* Execution::class_of_step(int step_id) const {
  return surroundings_.options.registry->find(action_of(step_id).action_class);
}

Json Execution::output_for(const OutputReference& reference) const {
  const auto index = static_cast<std::size_t>(reference.action_id - 1);
  if (reference.plan_id != plan_.id || index >= plan_.actions.size() || plan_.actions[index].output.empty()) return {};
  return parse_object(plan_.actions[index].output, "output");
}

void Execution::execute(WorkItem item) {
  if (step(item.step_id).phase == StepPhase::kFinalize) return execute_finalize(item.step_id);
  execute_run(std::move(item));
}

// Runs the action's code; whatever goes wrong is in the outcome.
Execution::Outcome Execution::run_action(int step_id, const Event* event) {
  Outcome outcome;
  outcome.error = error_of([&] {
    const ActionRecord& record = action_of(step_id);
    const ActionClass* action_class = class_of_step(step_id);
    if (!action_class) {
      throw ActionError("StandardError", "The action class '" + record.action_class + "' is not known here");
    }
    outcome.input = parse_object(record.input, "input");
    outcome.output = parse_object(record.output, "output");
    if (record.input.find(kOutputReferenceClass) != std::string::npos) {
      dereference(outcome.input, [this](const OutputReference& reference) { return output_for(reference); });
    }
    const std::unique_ptr<Action> action = action_class->make();
    const bool is_finalize = step(step_id).phase == StepPhase::kFinalize;
    const bool is_skipping = step(step_id).state == StepState::kSkipping;
    const auto failed = error_of([&] {
      if (is_finalize) {
        FinalizingContext context(*this, step_id, outcome);
        action->finalize(context);
      } else {
        RunningContext context(*this, step_id, outcome);
        action->run(context, event);
      }
      if (!outcome.output.is_object()) throw ActionError("TypeError", "output of " + record.action_class + " is no object");
      if (!outcome.input.is_object()) throw ActionError("TypeError", "input of " + record.action_class + " is no object");
      if (is_skipping && outcome.is_suspended) {
        throw ActionError("RuntimeError", "invalid state transition skipping >> suspended");
      }
    });
    // The progress of a failed step is worth knowing too; what goes wrong in computing it is not.
    (void)error_of([&] {
      outcome.progress = is_finalize ? action->finalize_progress(outcome.input, outcome.output)
                                     : action->run_progress(outcome.input, outcome.output);
    });
    if (failed) throw ActionError(failed->exception_class, failed->message);
  });
  return outcome;
}

void Execution::execute_run(WorkItem item) {
  const int id = item.step_id;
  const StepState before = step(id).state;
  if (before != StepState::kRunning && before != StepState::kSkipping) {
    // In memory only, where it needs no announcement: an event of a suspended step is delivered again after a crash, and a
    // pure step may be repeated.
    assert(is_allowed(StepPhase::kRun, before, StepState::kRunning));
    change([&](PlanRecord&) { step(id).state = StepState::kRunning; });
  }
  const Time began = clock().now();
  const Instant start = clock().instant();
  Outcome outcome = run_action(id, item.delivery ? &item.delivery->event : nullptr);
  take_output();  // what the action itself has said, before it may end the plan
  const Duration took = clock().instant() - start;

  StepState state = StepState::kSuccess;
  if (outcome.error) {
    state = StepState::kError;
  } else if (before == StepState::kSkipping) {
    state = StepState::kSkipped;
  } else if (outcome.is_suspended) {
    state = StepState::kSuspended;
  }
  store_outcome(id, state, outcome, began, took);
  if (!outcome.error) pending_.rows.add(std::move(outcome.rows));
  if (item.delivery && !item.delivery->durable_id.empty()) {
    pending_.rows.add(persistence::WriteBatch::DeleteEvent{item.delivery->durable_id});
  }
  for (auto& [event, after] : outcome.planned_events) {
    if (after <= Duration::zero()) {
      deliver(id, {std::move(event), {}});
      continue;
    }
    surroundings_.options.scheduler->post_at(clock().instant() + after,
                                             [weak = weak_from_this(), id, planned = std::move(event)]() mutable {
                                               if (const auto self = weak.lock()) self->send(id, std::move(planned));
                                             });
  }
  run_step_ended(id);
}

// The step has come to rest: hand it its next event, or close it.
void Execution::run_step_ended(int step_id) {
  OpenStep& open = open_steps_[step_id];
  open.is_busy = false;
  if (step(step_id).state == StepState::kSuspended) {
    if (open.waiting.empty()) return;
    Delivery next = std::move(open.waiting.front());
    open.waiting.pop_front();
    open.is_busy = true;
    runnable_.push_back({step_id, std::move(next)});
    return;
  }
  for (const Delivery& dropped : open.waiting) {
    log::debug({.task_id = plan_.id}, "step {} ended before event {}", step_id, dropped.event.name);
    if (!dropped.durable_id.empty()) pending_.rows.add(persistence::WriteBatch::DeleteEvent{dropped.durable_id});
  }
  open_steps_.erase(step_id);
  hand_out(cursor_->step_ended(step_id, step(step_id).state != StepState::kError));
}

void Execution::execute_finalize(int step_id) {
  change([&](PlanRecord&) { step(step_id).state = StepState::kRunning; });
  const Time began = clock().now();
  const Instant start = clock().instant();
  Outcome outcome = run_action(step_id, nullptr);
  const Duration took = clock().instant() - start;
  has_finalize_failed_ = outcome.error.has_value();
  store_outcome(step_id, outcome.error ? StepState::kError : StepState::kSuccess, outcome, began, took);
}

void Execution::store_outcome(int step_id, StepState state, Outcome& outcome, Time began, Duration took) {
  assert(step(step_id).state == state || is_allowed(step(step_id).phase, step(step_id).state, state));
  std::string input = outcome.input.is_object() ? json::dump(outcome.input) : std::string();
  std::string output = outcome.output.is_object() ? json::dump(outcome.output) : std::string();
  bool has_action_changed = false;
  change([&](PlanRecord& plan) {
    StepRecord& record = step(step_id);
    record.state = state;
    if (!record.started_at) record.started_at = began;
    record.ended_at = clock().now();
    record.execution_time += to_seconds(took);
    record.real_time = std::chrono::duration<double>(*record.ended_at - *record.started_at).count();
    if (outcome.error) {
      record.error = std::move(outcome.error);
    } else if (state != StepState::kSkipped) {
      record.error.reset();  // of an earlier try
    }
    if (outcome.progress) {
      record.progress_done = finite(outcome.progress->done);
      record.progress_weight = finite(outcome.progress->weight);
    }
    record.progress_done = progress_of(record);

    ActionRecord& action = plan.actions[static_cast<std::size_t>(record.action_id - 1)];
    if (!input.empty() && action.input != input) {
      action.input = std::move(input);
      has_action_changed = true;
    }
    if (!output.empty() && action.output != output) {
      action.output = std::move(output);
      has_action_changed = true;
    }
  });
  if (state == StepState::kError) {
    log::info({.request_id = json::get_string(outcome.input, "current_request_id"), .task_id = plan_.id},
              "step {} of {} failed: {} - {}", step_id, action_of(step_id).action_class,
              step(step_id).error->exception_class, step(step_id).error->message);
  }
  pending_.steps.push_back(step_id);
  if (has_action_changed) pending_.actions.push_back(step(step_id).action_id);
}

bool Execution::accepts_events(int step_id) const {
  if (has_ended_ || !is_step(step_id) || step(step_id).phase != StepPhase::kRun) return false;
  const ActionClass* action_class = class_of_step(step_id);
  return action_class && action_class->takes_events && open_steps_.count(step_id) > 0;
}

void Execution::deliver(int step_id, Delivery delivery) {
  if (!accepts_events(step_id)) {
    log::debug({.task_id = plan_.id}, "step {} takes no event {} now", step_id, delivery.event.name);
    if (!delivery.durable_id.empty()) pending_.rows.add(persistence::WriteBatch::DeleteEvent{delivery.durable_id});
    return;
  }
  OpenStep& open = open_steps_[step_id];
  if (open.is_busy) {
    open.waiting.push_back(std::move(delivery));
    return;
  }
  open.is_busy = true;
  runnable_.push_back({step_id, std::move(delivery)});
}

void Execution::send(int step_id, Event event) {
  strand_->post([self = shared_from_this(), step_id, event = std::move(event)]() mutable {
    self->deliver(step_id, {std::move(event), {}});
    self->pump();
  });
}

void Execution::send_durable(int step_id, Event event, std::function<void(Status)> done) {
  strand_->post([self = shared_from_this(), step_id, event = std::move(event), done = std::move(done)]() mutable {
    if (!self->is_step(step_id) || self->step(step_id).phase != StepPhase::kRun) {
      return done(Error(Code::kNotFound, "no run step " + std::to_string(step_id)));
    }
    if (!self->accepts_events(step_id)) {
      return done(Error(Code::kConflict, "step is not suspended, it cannot process events"));
    }
    persistence::EventRecord row{self->surroundings_.options.ids->uuid(), self->plan_.id, step_id, event.name,
                                 json::dump(event.data), self->clock().now()};
    Delivery delivery{std::move(event), row.id};
    self->pending_.rows.add(persistence::WriteBatch::PutEvent{std::move(row)});
    self->pending_.waiters.push_back(std::move(done));
    self->flush();
    self->deliver(step_id, std::move(delivery));
    self->pump();
  });
}

void Execution::cancel(bool force, std::function<void(Result<int>)> done) {
  strand_->post([self = shared_from_this(), force, done = std::move(done)]() mutable {
    std::vector<int> targets;
    for (const auto& [id, open] : self->open_steps_) {
      const StepState state = self->step(id).state;
      const ActionClass* action_class = self->class_of_step(id);
      if (!action_class || !action_class->is_cancellable || !self->accepts_events(id)) continue;
      if (state == StepState::kRunning || state == StepState::kSuspended) targets.push_back(id);
    }
    if (targets.empty()) return done(0);
    std::sort(targets.begin(), targets.end());
    std::vector<Delivery> deliveries;
    for (const int id : targets) {
      Delivery delivery{{std::string(force ? kAbort : kCancel), Json()}, self->surroundings_.options.ids->uuid()};
      self->pending_.rows.add(persistence::WriteBatch::PutEvent{
          {delivery.durable_id, self->plan_.id, id, delivery.event.name, "null", self->clock().now()}});
      deliveries.push_back(std::move(delivery));
    }
    self->pending_.waiters.push_back([done = std::move(done), count = static_cast<int>(targets.size())](Status status) {
      done(status.ok() ? Result<int>(count) : Result<int>(status.error()));
    });
    self->flush();
    for (std::size_t i = 0; i < targets.size(); ++i) self->deliver(targets[i], std::move(deliveries[i]));
    self->pump();
  });
}

}  // namespace dynflow::engine
