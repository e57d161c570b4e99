#include <algorithm>
#include <utility>

#include "shared/engine/plan_changes.h"
#include "shared/engine/plan_parts.h"
#include "shared/engine/rescue.h"
#include "shared/engine/world_impl.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::EventRecord;
using persistence::WriteBatch;

namespace {

// A halt is durable before it has taken effect; so long its caller waits for the effect, which a busy action may hold up.
constexpr std::chrono::seconds kHaltPatience{2};

std::string in_words(PlanState state) { return std::string(persistence::to_string(state)); }

Error cannot_execute(const std::string& plan_id, std::string_view why) {
  return Error(Code::kConflict, "cannot execute execution_plan_id:" + plan_id + " it's " + std::string(why));
}

const StepRecord* find_run_step(const PlanRecord& plan, int id) {
  if (id < 1 || static_cast<std::size_t>(id) > plan.steps.size()) return nullptr;
  const StepRecord& step = plan.steps[static_cast<std::size_t>(id - 1)];
  return step.phase == StepPhase::kRun ? &step : nullptr;
}

bool is_at_work(const StepRecord& step) {
  return step.state == StepState::kRunning || step.state == StepState::kSuspended;
}

// The steps that a cancel is for; of a plan that has not started those that it would have come to.
int count_cancellable(const PlanRecord& plan, const ActionRegistry& registry) {
  const bool has_started = plan.state != PlanState::kPlanned;
  return static_cast<int>(std::count_if(plan.steps.begin(), plan.steps.end(), [&](const StepRecord& step) {
    const ActionClass* action_class = registry.find(step.action_class);
    return step.phase == StepPhase::kRun && (!has_started || is_at_work(step)) && action_class && action_class->is_cancellable &&
           action_class->takes_events;
  }));
}

}  // namespace

Status World::Impl::exists(std::string_view plan_id) const {
  const auto statuses = store().load_statuses({std::string(plan_id)});
  if (!statuses.ok()) return statuses.error();
  if (statuses->empty()) return Error(Code::kNotFound, "no execution plan " + std::string(plan_id));
  return {};
}

Status World::Impl::claim(const std::string& plan_id) {
  Status claimed = store().claim(plan_id);
  if (!claimed.ok() && claimed.error().code() == Code::kClosed) coordinator_->check();
  return claimed;
}

EventRecord World::Impl::event_for(std::string_view plan_id, int step_id, std::string_view name, std::string data) const {
  return {options().ids->uuid(), std::string(plan_id), step_id, std::string(name), std::move(data), options().clock->now(), {}};
}

void World::Impl::put_for_owner(EventRecord event, Done done) {
  WriteBatch batch;
  batch.add(WriteBatch::WakeOwner{event.plan_id});
  batch.add(WriteBatch::PutEvent{std::move(event)});
  membership_.submit(*membership_.term(), std::move(batch), persistence::Durability::kFull, std::move(done));
}

Result<int> World::Impl::cancel(std::string_view plan_id, bool force) {
  const std::string id(plan_id);
  auto execution = find(id);
  if (!execution) {
    const auto plan = store().load_plan(id);
    if (!plan.ok()) return plan.error();
    if (plan->state == PlanState::kScheduled) {
      return await<Result<int>>([&](auto done) { begin_cancel_delayed(id, std::move(done)); });
    }
    if (plan->state != PlanState::kRunning && plan->state != PlanState::kPlanned) return 0;
    const int count = count_cancellable(*plan, *options().registry);
    if (plan->state == PlanState::kPlanned && count == 0) return 0;
    const Status claimed = claim(id);
    if (!claimed.ok() && claimed.error().code() == Code::kConflict) {
      if (count == 0) return 0;
      const Status put = await<Status>(
          [&](auto done) { put_for_owner(event_for(id, 0, force ? kAbort : kCancel, "null"), std::move(done)); });
      return put.ok() ? Result<int>(count) : Result<int>(put.error());
    }
    if (!claimed.ok()) return claimed.error().code() == Code::kNotFound ? Result<int>(0) : Result<int>(claimed.error());
    // One that waits for its place must not run one day: it gets it now.
    if (!leave_line(id)) {
      take_over({id});
    } else if (const Status started = start_waiting(id); !started.ok()) {
      return started.error();
    }
    execution = find_taken_up(id);
    if (!execution) return 0;
  }
  return await<Result<int>>([&](auto done) { execution->cancel(force, std::move(done)); });
}

Status World::Impl::send_durable(std::string_view plan_id, int step_id, Event event) {
  const std::string id(plan_id);
  auto execution = find(id);
  if (!execution) {
    const Error refused(Code::kConflict, "step is not suspended, it cannot process events");
    const auto plan = store().load_plan(id);
    if (!plan.ok()) return plan.error();
    const StepRecord* step = find_run_step(*plan, step_id);
    if (!step) return Error(Code::kNotFound, "no run step " + std::to_string(step_id));
    if (plan->state != PlanState::kRunning) return refused;
    const Status claimed = claim(id);
    if (!claimed.ok() && claimed.error().code() == Code::kConflict) {
      const ActionClass* action_class = options().registry->find(step->action_class);
      if (!is_at_work(*step) || !action_class || !action_class->takes_events) return refused;
      return await<Status>([&](auto done) {
        put_for_owner(event_for(id, step_id, event.name, json::dump(event.data)), std::move(done));
      });
    }
    if (!claimed.ok()) return claimed.error().code() == Code::kNotFound ? Status(refused) : claimed;
    take_over({id});
    execution = find_taken_up(id);
    if (!execution) return refused;
  }
  return await<Status>([&](auto done) { execution->send_durable(step_id, std::move(event), std::move(done)); });
}

Status World::Impl::halt(std::string_view plan_id) {
  if (is_closing()) return Error(Code::kClosed, "the world is stopping");
  const std::string id(plan_id);
  const Deadline deadline = Deadline::after(kPatience);
  while (true) {
    if (const auto execution = find_taken_up(id)) {
      const Status halted = halt_in_work(id, *execution);
      if (halted.ok() || halted.error().code() != Code::kConflict) return halted;
      wait_until_gone(id, *execution);  // it has just ended by itself: paused, perhaps
    }
    const Status halted = await<Status>([&](auto done) { begin_halt(id, std::move(done)); });
    // Somebody else has just got it into hands: it is launched, resumed, skipped, taken up.
    if (halted.ok() || halted.error().code() != Code::kConflict || deadline.has_passed()) return halted;
  }
}

// kConflict: it had ended.
Status World::Impl::halt_in_work(const std::string& plan_id, Execution& execution) {
  EventRecord request = event_for(plan_id, 0, kHaltPlan, "null");
  const std::string request_id = request.id;
  WriteBatch batch;
  batch.add(WriteBatch::PutEvent{std::move(request)});
  const Status stored = await<Status>([&](auto done) {
    membership_.submit(*membership_.term(), std::move(batch), persistence::Durability::kFull, std::move(done));
  });
  if (!stored.ok()) return stored;
  Status halted = await<Status>([&](auto done) { execution.halt(request_id, std::move(done)); }, kHaltPatience);
  if (!halted.ok() && halted.error().code() == Code::kTimeout) return {};
  if (!halted.ok() && halted.error().code() == Code::kConflict) delete_events({request_id});
  return halted;
}

// Of a plan without execution. `done` is called without the plan being reserved. kConflict: somebody has it in hands.
void World::Impl::begin_halt(const std::string& plan_id, Done done) {
  if (auto reserved = reserve_stored(plan_id); !reserved.ok()) return done(reserved);
  const auto finish = [&](Status status) {
    release({plan_id});
    done(std::move(status));
  };
  const Status claimed = claim(plan_id);
  if (!claimed.ok() && claimed.error().code() == Code::kConflict) {
    release({plan_id});
    return put_for_owner(event_for(plan_id, 0, kHaltPlan, "null"), std::move(done));
  }
  if (!claimed.ok() && claimed.error().code() == Code::kNotFound) return finish(exists(plan_id));
  if (!claimed.ok()) {
    give_back(plan_id);
    return done(claimed);
  }
  // Claimed, and perhaps nobody's before: what cannot be halted goes on here.
  const auto fail = [&](const Error& error) {
    give_back(plan_id);
    done(error);
    take_over({plan_id});
  };
  auto plan = load_whole(plan_id);
  if (!plan.ok()) return fail(plan.error());
  if (plan->state == PlanState::kStopped) return finish({});
  const Time now = options().clock->now();
  const std::string world_id = membership_.term()->world_id;
  add_history(*plan, now, kHaltEntry, world_id);
  mark_stopped(*plan, now);
  add_history(*plan, now, history_name(PlanState::kStopped), world_id);
  WriteBatch rows;
  rows.add(WriteBatch::DeleteDelayed{plan_id});
  const auto events = store().load_events_of(plan_id);
  if (!events.ok()) return fail(events.error());
  for (const EventRecord& event : *events) rows.add(WriteBatch::DeleteEvent{event.id});
  if (const Status added = add_end_rows(*plan, rows); !added.ok()) return fail(added.error());
  store_changed(*plan, std::move(rows), std::move(done));
}

Status World::Impl::add_end_rows(const PlanRecord& plan, WriteBatch& rows) {
  for (PlanObserver* observer : options().observers) observer->plan_changed(plan, rows);
  if (options().registry->is_any_singleton(plan)) rows.add(WriteBatch::ReleaseLocks{plan.id});
  if (options().secrets != nullptr && plan.state == PlanState::kStopped) rows.add(WriteBatch::DeleteSecrets{plan.id});
  if (plan.actions.empty() || plan.actions.front().caller_plan_id.empty()) return {};
  const auto& root = plan.actions.front();
  const auto listener = listener_of(root.caller_plan_id, root.caller_action_id);
  if (!listener.ok()) return listener.error();
  if (*listener == 0) return {};
  EventRecord event = end_event(plan, *listener, options().clock->now());
  rows.add(WriteBatch::WakeOwner{event.plan_id});
  rows.add(WriteBatch::PutEvent{std::move(event)});
  return {};
}

void World::Impl::store_changed(const PlanRecord& plan, WriteBatch rows, Done done) {
  auto events = events_in(rows);
  rows.add(WriteBatch::UpdatePlan{plan.id, progress_of_plan(plan)});
  const bool is_stopped = plan.state == PlanState::kStopped;
  const auto hooked = is_stopped && surroundings_.hooks->wants(plan) ? std::make_shared<const PlanRecord>(plan) : nullptr;
  membership_.submit(
      *membership_.term(), std::move(rows), persistence::Durability::kFull,
      [this, id = plan.id, is_stopped, hooked, events = std::move(events), done = std::move(done), strand = launches_](Status status) {
        strand->post([this, id, is_stopped, hooked, events, done, status = std::move(status)] {
          if (status.ok() && is_stopped) forget_secrets(id);
          status.ok() ? release({id}) : give_back(id);
          if (status.ok()) {
            for (const EventRecord& event : events) surroundings_.world->deliver_stored(event);
            for (PlanObserver* observer : options().observers) observer->rows_stored();
            if (hooked) surroundings_.hooks->stored(hooked, {hooked->state});
            if (is_stopped) delayed_executor_->plan_stopped(id);
          }
          done(status);
        });
      });
}

Result<PlanRecord> World::Impl::load_whole(const std::string& plan_id) const {
  auto plan = store().load_plan(plan_id);
  if (!plan.ok()) return plan;
  if (Status whole = check_parts(*plan); !whole.ok()) return whole.error();
  return plan;
}

Result<PlanRecord> World::Impl::load_paused(const std::string& plan_id) const {
  auto plan = load_whole(plan_id);
  if (!plan.ok() || plan->state == PlanState::kPaused) return plan;
  if (plan->state == PlanState::kStopped) return cannot_execute(plan_id, "stopped");
  if (plan->state == PlanState::kRunning) return cannot_execute(plan_id, "already running");
  return Error(Code::kConflict, "execution_plan is not in pending or paused state, it's " + in_words(plan->state));
}

Status World::Impl::resume(std::string_view plan_id) {
  if (is_closing()) return Error(Code::kClosed, "the world is stopping");
  const std::string id(plan_id);
  wait_until_at_rest(id);
  return await<Status>([&](auto done) { begin_resume(id, std::move(done)); });
}

void World::Impl::begin_resume(const std::string& plan_id, Done done) {
  const auto term = membership_.term();
  if (auto reserved = reserve({plan_id}, Reservation::kKnown); !reserved.ok()) return done(reserved);
  const auto refuse = [&](const Error& error) {
    release({plan_id});
    done(error);
  };
  auto plan = load_paused(plan_id);
  if (!plan.ok()) return refuse(plan.error());
  const Status claimed = claim(plan_id);
  if (!claimed.ok() && claimed.error().code() == Code::kConflict) {
    release({plan_id});
    return put_for_owner(event_for(plan_id, 0, kResumePlan, "null"), std::move(done));
  }
  if (!claimed.ok()) return refuse(claimed.error());
  plan = load_paused(plan_id);  // as it is now that it is ours
  if (!plan.ok()) return refuse(plan.error());
  auto events = store().load_events_of(plan_id);
  if (!events.ok()) return refuse(events.error());
  KeptSecrets kept{take_paused_secrets(plan_id), {}};
  if (kept.secrets.is_null()) {
    auto stored = stored_secrets(plan_id);
    if (!stored.ok()) return refuse(stored.error());
    kept = std::move(*stored);
  }
  {
    const std::lock_guard lock(mutex_);
    const int level = level_of(*plan);
    active_[plan_id].level = level;
  }
  const bool is_active = activate(term, std::move(*plan), std::move(kept.secrets), [&](Execution& execution) {
    execution.lost_secrets(std::move(kept.loss));
    execution.start(std::move(*events), done);
  });
  if (!is_active) done(Error(Code::kClosed, "the world was declared dead"));
}

Status World::Impl::skip(std::string_view plan_id, int step_id) {
  if (is_closing()) return Error(Code::kClosed, "the world is stopping");
  const std::string id(plan_id);
  wait_until_at_rest(id);
  return await<Status>([&](auto done) { begin_skip(id, step_id, std::move(done)); });
}

void World::Impl::begin_skip(const std::string& plan_id, int step_id, Done done) {
  if (auto reserved = reserve({plan_id}, Reservation::kKnown); !reserved.ok()) return done(reserved);
  const auto refuse = [&](const Error& error) {
    release({plan_id});
    done(error);
  };
  auto plan = load_paused(plan_id);
  if (!plan.ok()) return refuse(plan.error());
  auto changes = changes_to_skip(*plan, step_id);
  if (!changes.ok()) return refuse(changes.error());
  const Status claimed = claim(plan_id);
  if (!claimed.ok() && claimed.error().code() == Code::kConflict) {
    release({plan_id});
    return put_for_owner(event_for(plan_id, 0, kSkipStep, json::dump(Json{{"step_id", step_id}})), std::move(done));
  }
  if (!claimed.ok()) return refuse(claimed.error());
  plan = load_paused(plan_id);  // as it is now that it is ours
  if (!plan.ok()) return refuse(plan.error());
  changes = changes_to_skip(*plan, step_id);
  if (!changes.ok()) return refuse(changes.error());
  WriteBatch rows;
  for (const StepChange& change : *changes) {
    StepRecord& step = plan->steps[static_cast<std::size_t>(change.step_id - 1)];
    step.state = change.state;
    rows.add(WriteBatch::UpdateStep{plan->id, step});
  }
  plan->result = result_of(plan->steps);
  add_history(*plan, options().clock->now(), "step " + std::to_string(step_id) + " skipped", membership_.term()->world_id);
  store_changed(*plan, std::move(rows), std::move(done));
}

}  // namespace dynflow::engine
