#include "shared/engine/execution.h"

#include <algorithm>
#include <cassert>

#include "shared/engine/plan_changes.h"
#include "shared/engine/rescue.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::EventRecord;
using persistence::StepError;

namespace {

// Steps that one plan runs before the other plans have their turn.
constexpr int kStepsInTurn = 16;

}  // namespace

Execution::Execution(Surroundings& surroundings, std::shared_ptr<const Term> term, PlanRecord plan, Json secrets)
    : surroundings_(surroundings),
      term_(std::move(term)),
      strand_(std::make_shared<Strand>(*surroundings.options.scheduler, surroundings.activity)),
      plan_(std::move(plan)),
      secrets_(std::move(secrets)),
      may_have_output_(plan_.state != PlanState::kPlanned) {
  // It may wait for days, among many.
  plan_.steps.shrink_to_fit();
  plan_.actions.shrink_to_fit();
}

void Execution::start(std::vector<EventRecord> events, std::function<void(Status)> done) {
  strand_->post([self = shared_from_this(), events = std::move(events), done = std::move(done)]() mutable {
    if (self->surroundings_.is_closing) {
      if (done) done(Error(Code::kClosed, "the world is stopping"));
      return;
    }
    for (const EventRecord& event : events) self->steps_with_events_.insert(event.step_id);
    self->begin();
    self->deliver_waiting(std::move(events));
    if (done) self->pending_.waiters.push_back(std::move(done));
    self->pump();
  });
}

void Execution::begin() {
  enter(PlanState::kRunning);
  begin_flows();
}

void Execution::begin_flows() {
  part_ = Part::kRun;
  has_finalize_failed_ = false;
  finalize_steps_.clear();
  const auto finalize_flow = Flow::parse(plan_.finalize_flow);
  const auto run_flow = Flow::parse(plan_.run_flow);
  if (!run_flow.ok() || !finalize_flow.ok()) {
    return fail_unreadable((run_flow.ok() ? finalize_flow : run_flow).error().message());
  }
  finalize_steps_ = finalize_flow->step_ids();
  std::vector<int> all = run_flow->step_ids();
  all.insert(all.end(), finalize_steps_.begin(), finalize_steps_.end());
  if (!std::all_of(all.begin(), all.end(), [this](int id) { return is_step(id); })) {
    return fail_unreadable("flow: a step that the plan does not have");
  }
  std::sort(all.begin(), all.end());
  if (std::adjacent_find(all.begin(), all.end()) != all.end()) return fail_unreadable("flow: a step that is there twice");
  const auto is_finished = [this](int id) {
    return step(id).state == StepState::kSuccess || step(id).state == StepState::kSkipped;
  };
  const auto order =
      surroundings_.options.follows_flow_strictly ? std::nullopt : stored_order(*run_flow, plan_.steps);
  order ? cursor_.emplace(*run_flow, *order, is_finished) : cursor_.emplace(*run_flow, is_finished);
  hand_out(cursor_->start());
}

// A stored flow that makes no sense: the plan ends with an error that can be read, instead of never.
void Execution::fail_unreadable(const std::string& text) {
  log::error({.task_id = plan_.id}, "execution plan cannot be run: {}", text);
  change([&](PlanRecord& plan) {
    for (StepRecord& broken : plan.steps) {
      if (broken.phase == StepPhase::kPlan || !is_allowed(broken.phase, broken.state, StepState::kError)) continue;
      broken.state = StepState::kError;
      broken.error = StepError{"StandardError", text, {}};
      pending_.steps.push_back(broken.id);
    }
  });
  enter(PlanState::kStopped);
}

void Execution::hand_out(std::vector<int> step_ids) {
  while (!step_ids.empty()) {
    std::vector<int> next;
    for (const int id : step_ids) {
      const ActionClass* action_class = class_of_step(id);
      if (step(id).state == StepState::kSkipping && !(action_class && action_class->takes_events)) {
        // run() would not look at the event: it is not called, and counts for nothing in the progress.
        change([&](PlanRecord&) { step(id).progress_weight = 0; });
        set_step_state(id, StepState::kSkipped);
        const auto more = cursor_->step_ended(id, true);
        next.insert(next.end(), more.begin(), more.end());
        continue;
      }
      OpenStep& open = open_steps_[id];
      open.before = step(id).state;
      // It declares that what it waits for is stored, and that is so: nothing has been lost, and nothing has to be asked again.
      if (open.before == StepState::kSuspended && action_class && action_class->rearms_timers && has_stored_event(id)) continue;
      open.is_busy = true;
      if (step(id).state == StepState::kSkipping) {
        runnable_.push_back({id, Delivery{{std::string(kSkipEvent), Json()}, {}}});
      } else if (!action_class || action_class->is_pure || action_class->acts_when_stored) {
        runnable_.push_back({id, std::nullopt});
      } else {
        unannounced_.push_back(id);
      }
    }
    step_ids = std::move(next);
  }
}

void Execution::pump() {
  for (int i = 0; !is_given_up_ && !is_halted_; ++i) {
    advance();
    announce_steps();
    if (runnable_.empty()) break;
    if (i == kStepsInTurn) {
      strand_->post([self = shared_from_this()] { self->pump(); });
      break;
    }
    std::optional<WorkItem> item = next_item();
    if (!item) break;
    if (!has_slot(*item)) continue;
    const ActionClass* action_class = class_of_step(item->step_id);
    // What is known so far becomes durable while this one runs. Quick steps are waited for instead: fewer writes.
    if (action_class && !action_class->is_pure && !action_class->acts_when_stored) flush();
    const int id = item->step_id;
    execute(*std::move(item));
    slots_.erase(id);
  }
  flush();
}

// While the world stops only what would be lost: events that have no row, such as the end of a runner, and the quick steps that
// follow from them, such as a callback. The rest is as durable as it will be and waits for the next world.
std::optional<Execution::WorkItem> Execution::next_item() {
  const bool is_closing = surroundings_.is_closing;
  for (auto item = runnable_.begin(); item != runnable_.end();) {
    const ActionClass* action_class = class_of_step(item->step_id);
    const bool is_run = step(item->step_id).phase == StepPhase::kRun;
    const bool is_quick = is_run && (!action_class || action_class->is_pure);
    if (!is_closing || (item->delivery ? item->delivery->durable_id.empty() : is_quick)) {
      WorkItem taken = std::move(*item);
      runnable_.erase(item);
      return taken;
    }
    if (is_run && !item->delivery) {
      withdraw(item->step_id);
      item = runnable_.erase(item);
    } else {
      slots_.erase(item->step_id);
      ++item;
    }
  }
  return std::nullopt;
}

// Where the queue of an item is limited and full, the item waits there and comes back by slot_granted().
bool Execution::has_slot(const WorkItem& item) {
  Queue& queue = surroundings_.queues.find(step(item.step_id).queue);
  if (!queue.is_limited() || slots_.count(item.step_id) > 0) return true;
  const auto granted = [weak = weak_from_this(), id = item.step_id](const std::shared_ptr<Queue>& freed) {
    const auto self = weak.lock();
    if (!self) return false;
    const auto slot = std::make_shared<Queue::Slot>(freed);
    self->strand_->post([self, id, slot] { self->slot_granted(id, std::move(*slot)); });
    return true;
  };
  if (auto slot = queue.take(granted)) {
    slots_.emplace(item.step_id, std::move(*slot));
    return true;
  }
  queued_.emplace(item.step_id, item);
  return false;
}

void Execution::slot_granted(int step_id, Queue::Slot slot) {
  auto waiting = queued_.extract(step_id);
  if (!waiting) return;  // the plan has ended meanwhile
  slots_.emplace(step_id, std::move(slot));
  if (waiting.mapped().is_unannounced) {
    unannounced_.push_back(step_id);
  } else {
    runnable_.push_front(std::move(waiting.mapped()));
  }
  pump();
}

// Announced, and not begun: the next world must not take it for one that may have done its work.
void Execution::withdraw(int step_id) {
  slots_.erase(step_id);
  change([&](PlanRecord&) { step(step_id).state = open_steps_[step_id].before; });
  pending_.steps.push_back(step_id);
}

void Execution::announce_steps() {
  if (surroundings_.is_closing) return;
  for (const int id : unannounced_) {
    if (!has_slot({id, std::nullopt, false, true})) continue;
    set_step_state(id, StepState::kRunning);
    if (!step(id).started_at) change([&](PlanRecord&) { step(id).started_at = clock().now(); });
    pending_.announced_steps.push_back(id);
  }
  unannounced_.clear();
}

// Past the ends of flows, as far as nothing has to run for it.
void Execution::advance() {
  while (!has_ended_) {
    if (part_ == Part::kRun) {
      if (!cursor_ || !cursor_->is_done()) return;
      if (cursor_->succeeded()) {
        advance_finalize();
        part_ = Part::kFinalize;
      } else if (!surroundings_.is_closing) {
        run_part_failed();
      } else {
        return;  // the next world asks for rescue
      }
    } else {
      if (!runnable_.empty() || !queued_.empty()) return;
      if (has_finalize_failed_) {
        if (surroundings_.is_closing) return;
        run_part_failed();
      } else if (next_finalize_ < finalize_steps_.size()) {
        if (next_finalize_ == 0 && finalize_phase_stack()) {
          runnable_.push_back({finalize_steps_.front(), std::nullopt, true});
          return;
        }
        const int id = finalize_steps_[next_finalize_++];
        if (step(id).state != StepState::kSkipped) runnable_.push_back({id, std::nullopt});
      } else {
        enter(PlanState::kStopped);
      }
    }
  }
}

// All finalize steps run again, those that had succeeded included: actions may count on what an earlier one did.
void Execution::advance_finalize() {
  next_finalize_ = 0;
  for (const int id : finalize_steps_) {
    if (step(id).state == StepState::kSuccess || step(id).state == StepState::kError) {
      set_step_state(id, StepState::kPending);
    }
  }
}

void Execution::run_part_failed() {
  const RescueStrategy strategy = choose_rescue();
  if (strategy == RescueStrategy::kSkip && skip_failed_steps()) return begin_flows();
  enter(strategy == RescueStrategy::kFail ? PlanState::kStopped : PlanState::kPaused);
}

RescueStrategy Execution::choose_rescue() {
  bool has_new_failure = false;
  for (const StepRecord& failed : plan_.steps) {
    if (failed.state == StepState::kError) has_new_failure |= rescued_.insert(failed.id).second;
  }
  if (!surroundings_.options.auto_rescue || !has_new_failure) return RescueStrategy::kPause;
  return suggested_rescue(plan_, *surroundings_.options.registry).value_or(RescueStrategy::kPause);
}

bool Execution::skip_failed_steps() {
  std::vector<int> failed;
  for (const StepRecord& candidate : plan_.steps) {
    if (candidate.state == StepState::kError && candidate.phase != StepPhase::kPlan) failed.push_back(candidate.id);
  }
  for (const int id : failed) {
    if (step(id).state != StepState::kError) continue;  // skipped with one before
    const auto changes = changes_to_skip(plan_, id);
    if (!changes.ok()) {
      log::warn({.task_id = plan_.id}, "step {} cannot be skipped: {}", id, changes.error().message());
      return false;
    }
    for (const StepChange& skipped : *changes) set_step_state(skipped.step_id, skipped.state);
  }
  return true;
}

void Execution::set_step_state(int step_id, StepState state) {
  assert(is_allowed(step(step_id).phase, step(step_id).state, state));
  change([&](PlanRecord&) {
    step(step_id).state = state;
    step(step_id).progress_done = progress_of(step(step_id));
  });
  pending_.steps.push_back(step_id);
}

void Execution::enter(PlanState state, bool adds_history) {
  assert(is_allowed(plan_.state, state));
  const bool is_end = state == PlanState::kStopped || state == PlanState::kPaused;
  change([&](PlanRecord& plan) {
    const Time now = clock().now();
    if (state == PlanState::kStopped) {
      mark_stopped(plan, now);
    } else {
      plan.state = state;
      plan.result = result_of(plan.steps);
    }
    if (adds_history) add_history(plan, now, history_name(state), term_->world_id);
    has_ended_ = is_end;
  });
  pending_.has_plan = true;
  for (PlanObserver* observer : surroundings_.options.observers) observer->plan_changed(plan_, pending_.rows);
  if (surroundings_.hooks->wants(plan_)) pending_.hooked.push_back(std::make_shared<const PlanRecord>(plan_));
  if (!is_end) return;
  if (surroundings_.options.registry->is_any_singleton(plan_)) {
    pending_.rows.add(persistence::WriteBatch::ReleaseLocks{plan_.id});
  }
  part_ = Part::kOver;
  owes_parent_ = !plan_.actions.empty() && !plan_.actions.front().caller_plan_id.empty();
  close_steps(true);
  if (state != PlanState::kStopped) return;
  const bool has_secrets = !secrets_.is_null() || !secrets_loss_.empty();
  if (has_secrets && surroundings_.options.secrets != nullptr) pending_.rows.add(persistence::WriteBatch::DeleteSecrets{plan_.id});
  secrets_ = Json();
}

void Execution::recover(std::vector<EventRecord> events) {
  strand_->post([self = shared_from_this(), events = std::move(events)]() mutable {
    const bool is_to_halt = std::any_of(events.begin(), events.end(), [](const EventRecord& event) {
      return event.step_id == 0 && event.name == kHaltPlan;
    });
    if (is_to_halt) {
      self->halt_now();
    } else {
      for (const EventRecord& event : events) self->steps_with_events_.insert(event.step_id);
      self->recover_states();
    }
    self->deliver_waiting(std::move(events));
    self->pump();
  });
}

void Execution::recover_states() {
  const PlanState before = plan_.state;
  if (before == PlanState::kRunning) {
    std::string dead_world;
    for (const auto& entry : plan_.history) dead_world = entry.world_id;
    change([&](PlanRecord& plan) { add_history(plan, clock().now(), "terminate execution", dead_world); });
    pending_.has_plan = true;
  }
  fail_lost_steps();
  switch (takeover_of(before, find_out())) {
    case Takeover::kLeave:
      break;
    case Takeover::kStart:
      change([](PlanRecord& plan) { plan.state = PlanState::kPlanned; });
      begin();
      break;
    case Takeover::kSkip:
      if (!skip_failed_steps()) {
        enter(PlanState::kPaused, false);
        break;
      }
      [[fallthrough]];
    case Takeover::kContinue:
      // Stopped working when its world did, and is resumed now.
      change([](PlanRecord& plan) { plan.state = PlanState::kPaused; });
      begin();
      break;
    case Takeover::kPause:
      enter(PlanState::kPaused, false);
      break;
    case Takeover::kStop:
      fail_suspended();
      enter(PlanState::kStopped);
      break;
  }
  log::info({.task_id = plan_.id}, "took up an execution plan left {}: now {}", persistence::to_string(before),
            persistence::to_string(plan_.state));
}

// Whether they have done their work, only a person or the action's rescue strategy can know.
void Execution::fail_lost_steps() {
  const Time now = clock().now();
  change([&](PlanRecord& plan) {
    for (StepRecord& lost : plan.steps) {
      if (recovered(lost.state) == lost.state) continue;
      lost.error = StepError{
          "StandardError", "Abnormal termination (previous state: " + std::string(persistence::to_string(lost.state)) + ")", {}};
      lost.state = recovered(lost.state);
      lost.ended_at = now;
      if (lost.started_at) lost.real_time = std::chrono::duration<double>(now - *lost.started_at).count();
      pending_.steps.push_back(lost.id);
    }
  });
}

Finding Execution::find_out() {
  if (plan_.state == PlanState::kPending || plan_.state == PlanState::kPlanning) {
    bool any = false;
    bool all = true;
    for (const StepRecord& planned : plan_.steps) {
      if (planned.phase != StepPhase::kPlan) continue;
      any = true;
      all &= planned.state == StepState::kSuccess;
    }
    return any && all ? Finding::kAllPlanned : Finding::kAny;
  }
  if (!has_failed_step(plan_.steps)) return Finding::kSound;
  switch (choose_rescue()) {
    case RescueStrategy::kSkip:
      return Finding::kWantsSkip;
    case RescueStrategy::kFail:
      return Finding::kWantsFail;
    case RescueStrategy::kPause:
      break;
  }
  return Finding::kWantsPause;
}

// Nobody will wake them any more, and nobody shall think that they still wait.
void Execution::fail_suspended() {
  change([&](PlanRecord& plan) {
    for (StepRecord& suspended : plan.steps) {
      if (suspended.state != StepState::kSuspended) continue;
      suspended.state = StepState::kError;
      suspended.error = StepError{"StandardError", "Abnormal termination (previous state: suspended)", {}};
      pending_.steps.push_back(suspended.id);
    }
  });
}

std::optional<PlanRecord> Execution::image() const {
  const std::lock_guard lock(mutex_);
  if (has_ended_) return std::nullopt;
  PlanRecord copy = plan_;
  copy.result = result_of(copy.steps);
  return copy;
}

std::optional<persistence::PlanStatus> Execution::status() const {
  const std::lock_guard lock(mutex_);
  if (has_ended_) return std::nullopt;
  return persistence::PlanStatus{plan_.id, plan_.state, result_of(plan_.steps)};
}

}  // namespace dynflow::engine
