#include <algorithm>
#include <cassert>
#include <utility>

#include "shared/base/wiped_memory.h"
#include "shared/engine/execution.h"
#include "shared/engine/plan_changes.h"
#include "shared/engine/references.h"
#include "shared/engine/step_error.h"
#include "shared/engine/storable.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::ActionRecord;
using persistence::StepError;

namespace {

// Of one piece of output that an action gives at once: a row, and a line of a document.
constexpr std::size_t kMostChunkBytes = 16U << 20;

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

// An entry of the history for an error that is no longer the step's.
std::string past_error(int step_id, const StepError& error) {
  constexpr std::size_t kMaxText = 500;
  return storable_text("step " + std::to_string(step_id) + " had failed: " + error.exception_class + " - " + error.message.substr(0, kMaxText));
}

double finite(double value) { return value >= 0 && value <= 1e300 ? value : 0; }  // false for NaN

}  // namespace

class Execution::RunningContext final : public ContextBase<Running> {
 public:
  RunningContext(Execution& execution, int step_id, Outcome& outcome)
      : ContextBase(*execution.surroundings_.world, execution.plan_, execution.action_of(step_id), execution.secrets_,
                    outcome.input, outcome.output),
        execution_(execution),
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
  void when_stored(std::function<void(Status)> then) override { outcome_.listeners.push_back(std::move(then)); }
  bool is_halted() const override { return execution_.is_halted(); }
  void output_chunk(std::string text, std::string kind) override {
    if (text.size() > kMostChunkBytes) {
      throw ActionError("RangeError", "a piece of output has at most " + std::to_string(kMostChunkBytes) + " bytes");
    }
    outcome_.chunks.push_back({0, storable_text(std::move(kind)), storable_text(std::move(text)), clock().now(), {}});
  }
  std::vector<persistence::OutputChunk> stored_output_chunks() override {
    auto chunks = world().store().load_chunks(plan_id(), action_id());
    if (!chunks.ok()) throw ActionError("StandardError", "stored output cannot be read: " + chunks.error().message());
    return std::move(*chunks);
  }
  void drop_output_chunks() override { outcome_.dropped_chunks = outcome_.chunks.size(); }
  int step_id() const override { return step_id_; }
  std::string_view secrets_loss() const override { return execution_.secrets_loss_; }
  Result<std::vector<Planned>> plan_sub_plans(std::vector<PlanRequest> requests) override {
    return execution_.plan_sub_plans(step_id_, outcome_, std::move(requests));
  }
  Result<std::vector<persistence::PlanStatus>> sub_plans() override { return execution_.sub_plans(outcome_); }
  void cancel_plan(const std::string& plan_id, bool force) override {
    const std::string_view name = force ? kAbort : kCancel;
    std::string id = execution_.surroundings_.options.ids->uuid();
    outcome_.sent_events.push_back({std::move(id), plan_id, 0, std::string(name), "null", clock().now(), {}});
  }
  std::vector<Event> take_events(std::string_view name) override { return execution_.take_events(step_id_, outcome_, name); }

 private:
  Execution& execution_;
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
  if (item.is_finalize_phase) return execute_finalize_phase(item.step_id);
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
    const MiddlewareStack* const stack = surroundings_.middleware.of(action_class);
    const auto failed = error_of([&] {
      if (event && !action_class->takes_events && !is_skipping) {
        // As Ruby says it when such a run is called with an event.
        throw ActionError("ArgumentError", "wrong number of arguments (given 1, expected 0)");
      }
      if (is_finalize) {
        FinalizingContext context(*this, step_id, outcome);
        stack ? stack->finalize(context, [&] { action->finalize(context); }) : action->finalize(context);
      } else {
        RunningContext context(*this, step_id, outcome);
        stack ? stack->run(context, event, [&](const Event* passed) { action->run(context, passed); })
              : action->run(context, event);
      }
      check_storable(outcome, record.action_class);
      if (is_skipping && outcome.is_suspended) {
        throw ActionError("RuntimeError", "invalid state transition skipping >> suspended");
      }
    });
    // The progress of a failed step is worth knowing too; what goes wrong in computing it is not.
    (void)error_of([&] {
      outcome.progress = is_finalize ? action->finalize_progress(outcome.input, outcome.output)
                                     : action->run_progress(outcome.input, outcome.output);
    });
    // What a failed step has left is kept as far as it can be.
    if (failed && outcome.output_text.empty()) (void)error_of([&] { check_storable(outcome, record.action_class); });
    if (failed) throw ActionError(failed->exception_class, failed->message);
  });
  return outcome;
}

// What cannot be stored and read again is an error of the step; the other of the two is kept.
void Execution::check_storable(Outcome& outcome, const std::string& action_class) const {
  auto input = storable_json(outcome.input);
  auto output = storable_json(outcome.output);
  if (input.ok()) outcome.input_text = std::move(*input);
  if (output.ok()) outcome.output_text = std::move(*output);
  if (!output.ok()) throw ActionError("TypeError", "output of " + action_class + " " + output.error().message());
  if (!input.ok()) throw ActionError("TypeError", "input of " + action_class + " " + input.error().message());
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
  if (!secrets_.is_null()) wipe_unused_stack();
  if (is_halted_) return abandon(id, before, outcome);
  take_output();  // what the action itself has said, before it may end the plan
  if (outcome.dropped_chunks && !outcome.error) {
    pending_.drop_output(step(id).action_id);
    outcome.chunks.erase(outcome.chunks.begin(), outcome.chunks.begin() + static_cast<std::ptrdiff_t>(*outcome.dropped_chunks));
  }
  if (!outcome.chunks.empty()) {
    auto& list = pending_.chunks[step(id).action_id];
    std::move(outcome.chunks.begin(), outcome.chunks.end(), std::back_inserter(list));
  }
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
  for (auto& listener : outcome.listeners) {
    if (outcome.error) {
      listener(Error(Code::kFailed, outcome.error->message));
    } else {
      pending_.waiters.push_back(std::move(listener));
    }
  }
  start_sub_plans(outcome);
  if (item.delivery && !item.delivery->durable_id.empty()) forget_event(std::move(item.delivery->durable_id));
  for (auto& [event, after] : outcome.planned_events) plan_event(id, std::move(event), after);
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
  for (const Delivery& dropped : open.waiting) drop(step_id, dropped);
  for (auto& [event_id, timer] : open.timers) {
    surroundings_.options.scheduler->cancel(timer);
    forget_event(std::move(event_id));
  }
  open_steps_.erase(step_id);
  hand_out(cursor_->step_ended(step_id, step(step_id).state != StepState::kError));
}

void Execution::execute_finalize(int step_id) {
  change([&](PlanRecord&) { step(step_id).state = StepState::kRunning; });
  const Time began = clock().now();
  const Instant start = clock().instant();
  Outcome outcome = run_action(step_id, nullptr);
  if (is_halted_) return abandon(step_id, StepState::kPending, outcome);
  const Duration took = clock().instant() - start;
  has_finalize_failed_ = outcome.error.has_value();
  store_outcome(step_id, outcome.error ? StepState::kError : StepState::kSuccess, outcome, began, took);
}

const MiddlewareStack* Execution::finalize_phase_stack() const {
  const auto first = std::find_if(finalize_steps_.begin(), finalize_steps_.end(),
                                  [this](int id) { return step(id).state != StepState::kSkipped; });
  if (first == finalize_steps_.end()) return nullptr;
  return surroundings_.middleware.of(class_of_step(*first));
}

// All finalize steps inside what is around the phase. What that throws is an error of the step it came to.
void Execution::execute_finalize_phase(int first_step_id) {
  const WholePlan whole{*surroundings_.world, plan_};
  const auto failed = error_of([&] {
    finalize_phase_stack()->finalize_phase(whole, [&] {
      while (next_finalize_ < finalize_steps_.size() && !has_finalize_failed_ && !is_halted_) {
        const int id = finalize_steps_[next_finalize_++];
        if (step(id).state != StepState::kSkipped) execute_finalize(id);
      }
    });
  });
  const int last_step_id = next_finalize_ == 0 ? first_step_id : finalize_steps_[next_finalize_ - 1];
  next_finalize_ = finalize_steps_.size();
  if (!failed || has_finalize_failed_) return;
  has_finalize_failed_ = true;
  Outcome outcome;
  outcome.error = failed;
  change([&](PlanRecord&) { step(last_step_id).state = StepState::kRunning; });
  store_outcome(last_step_id, StepState::kError, outcome, clock().now(), Duration::zero());
}

void Execution::store_outcome(int step_id, StepState state, Outcome& outcome, Time began, Duration took) {
  assert(step(step_id).state == state || is_allowed(step(step_id).phase, step(step_id).state, state));
  std::string& input = outcome.input_text;
  std::string& output = outcome.output_text;
  bool has_action_changed = false;
  change([&](PlanRecord& plan) {
    StepRecord& record = step(step_id);
    record.state = state;
    if (!record.started_at) record.started_at = began;
    record.ended_at = clock().now();
    record.execution_time += to_seconds(took);
    record.real_time = std::chrono::duration<double>(*record.ended_at - *record.started_at).count();
    if (record.error && state != StepState::kSkipped) {
      // Of an earlier try: over, and kept where people look for what has happened.
      add_history(plan, *record.ended_at, past_error(step_id, *record.error), term_->world_id);
      pending_.has_plan = true;
      record.error.reset();
    }
    if (outcome.error) record.error = outcome.error;
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
  if (!action_class || open_steps_.count(step_id) == 0) return false;
  // One that suspended and takes no events gets its event all the same, and fails: nothing else would ever end it.
  return action_class->takes_events || step(step_id).state == StepState::kSuspended;
}

void Execution::deliver(int step_id, Delivery delivery) {
  if (step_id == 0) return deliver_to_plan(delivery);
  if (!accepts_events(step_id)) return drop(step_id, delivery);
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
  event.name = storable_text(std::move(event.name));
  strand_->post([self = shared_from_this(), step_id, event = std::move(event), done = std::move(done)]() mutable {
    if (!self->is_step(step_id) || self->step(step_id).phase != StepPhase::kRun) {
      return done(Error(Code::kNotFound, "no run step " + std::to_string(step_id)));
    }
    if (!self->accepts_events(step_id)) {
      return done(Error(Code::kConflict, "step is not suspended, it cannot process events"));
    }
    persistence::EventRecord row{self->surroundings_.options.ids->uuid(), self->plan_.id, step_id, event.name,
                                 json::dump(event.data), self->clock().now(), {}};
    Delivery delivery{std::move(event), row.id};
    self->seen_events_.add(row.id);
    self->pending_.rows.add(persistence::WriteBatch::PutEvent{std::move(row)});
    self->pending_.waiters.push_back(std::move(done));
    self->flush();
    self->deliver(step_id, std::move(delivery));
    self->pump();
  });
}

}  // namespace dynflow::engine
