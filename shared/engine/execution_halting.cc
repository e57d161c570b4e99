#include <utility>

#include "shared/engine/execution.h"
#include "shared/engine/plan_changes.h"
#include "shared/log/log.h"

namespace dynflow::engine {

void Execution::halt(std::string event_id, std::function<void(Status)> done) {
  is_halted_ = true;
  strand_->post([self = shared_from_this(), event_id = std::move(event_id), done = std::move(done)]() mutable {
    if (self->is_given_up_) return done(Error(Code::kClosed, "the plan is not in work here any more"));
    if (self->has_ended_) {
      return self->when_written([done = std::move(done)](const Status& status) {
        done(status.ok() ? Status(Error(Code::kConflict, "the plan has ended")) : status);
      });
    }
    self->halt_now();
    self->forget_event(std::move(event_id));
    self->when_written(std::move(done));
  });
}

// Steps stay as they are stored; who waits for an event gets none any more.
void Execution::halt_now() {
  if (has_ended_) return;
  is_halted_ = true;
  change([this](PlanRecord& plan) { add_history(plan, clock().now(), kHaltEntry, term_->world_id); });
  enter(PlanState::kStopped);
  log::info({.task_id = plan_.id}, "halted");
  tell_dropped();
}

// Whatever is planned for the steps is taken back.
void Execution::close_steps(bool forgets_events) {
  for (auto& [id, open] : open_steps_) {
    for (auto& [event_id, timer] : open.timers) {
      surroundings_.options.scheduler->cancel(timer);
      if (forgets_events) forget_event(std::move(event_id));
    }
    if (!forgets_events) continue;
    for (const Delivery& waiting : open.waiting) drop(id, waiting);
  }
  for (auto& [id, item] : queued_) runnable_.push_back(std::move(item));
  for (WorkItem& item : runnable_) {
    if (forgets_events && item.delivery) drop(item.step_id, *item.delivery);
  }
  runnable_.clear();
  queued_.clear();
  slots_.clear();
  unannounced_.clear();
  open_steps_.clear();
}

// What an action did after its plan was halted or taken away is not kept.
void Execution::abandon(int step_id, StepState before, Outcome& outcome) {
  change([&](PlanRecord&) { step(step_id).state = before; });
  outcome.error = persistence::StepError{"RuntimeError", "halted", {}};
  outcome.taken_events.clear();
  start_sub_plans(outcome);
  for (auto& listener : outcome.listeners) listener(Error(Code::kClosed, outcome.error->message));
}

// Observers hear of it on the strand: then no action of the plan is at work that might still begin something.
void Execution::drop() {
  is_halted_ = true;
  strand_->post([self = shared_from_this()] { self->give_up(Error(Code::kClosed, "the world was declared dead")); });
}

void Execution::tell_dropped() {
  if (is_dropped_) return;
  for (PlanObserver* observer : surroundings_.options.observers) observer->plan_dropped(plan_.id);
  is_dropped_ = true;
}

}  // namespace dynflow::engine
