#include <algorithm>
#include <utility>

#include "shared/engine/execution.h"
#include "shared/engine/plan_changes.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::EventRecord;
using persistence::PlanStatus;
using persistence::WriteBatch;

Result<std::vector<Planned>> Execution::plan_sub_plans(int step_id, Outcome& outcome, std::vector<PlanRequest> requests) {
  if (requests.size() > kMaxSubPlans) {
    return Error(Code::kInvalid, "at most " + std::to_string(kMaxSubPlans) + " sub-plans can be made at a time");
  }
  for (PlanRequest& request : requests) {
    request.caller_plan_id = plan_.id;
    request.caller_action_id = action_of(step_id).id;
    if (request.request_id.empty()) request.request_id = json::get_string(outcome.input, "current_request_id");
  }
  auto launch = surroundings_.prepare(std::move(requests));
  if (!launch.ok()) return launch.error();
  std::vector<Planned> planned = launch->planned;
  outcome.launches.push_back(std::move(*launch));
  return planned;
}

// The rows go with the result of the run; the plans start when that is durable. So a crash neither loses nor doubles one.
void Execution::start_sub_plans(Outcome& outcome) {
  for (Launch& made : outcome.launches) {
    if (outcome.error) {
      surroundings_.launched(made, Error(Code::kFailed, "the run that made the plan failed"));
      continue;
    }
    pending_.rows.add(std::move(made.rows));
    for (const NewPlan& plan : made.plans) launching_.insert(plan.record.id);
    // Waiters are called by this object alone.
    pending_.waiters.push_back([this, launch = std::make_shared<Launch>(std::move(made))](const Status& status) {
      for (const std::string& id : launch->ids()) launching_.erase(id);
      surroundings_.launched(*launch, status);
    });
  }
  if (!outcome.error) {
    for (EventRecord& event : outcome.sent_events) {
      pending_.rows.add(WriteBatch::PutEvent{event});
      if (!surroundings_.is_here(event.plan_id)) pending_.rows.add(WriteBatch::WakeOwner{event.plan_id});
      pending_.waiters.push_back([world = surroundings_.world, sent = std::move(event)](const Status& status) {
        if (status.ok()) world->deliver_stored(sent);
      });
    }
  }
  for (std::string& id : outcome.taken_events) forget_event(std::move(id));
}

Result<std::vector<PlanStatus>> Execution::sub_plans(const Outcome& outcome) const {
  auto found = surroundings_.options.store->load_sub_plans(plan_.id);
  if (!found.ok()) return found;
  std::set<std::string> on_their_way = launching_;
  for (const Launch& launch : outcome.launches) {
    for (const NewPlan& plan : launch.plans) on_their_way.insert(plan.record.id);
  }
  for (const PlanStatus& stored : *found) on_their_way.erase(stored.id);
  for (const std::string& id : on_their_way) found->push_back({id, PlanState::kPlanned, PlanResult::kPending});
  return found;
}

std::vector<Event> Execution::take_events(int step_id, Outcome& outcome, std::string_view name) {
  std::vector<Event> taken;
  auto& waiting = open_steps_[step_id].waiting;
  std::list<Delivery> rest;
  for (Delivery& delivery : waiting) {
    if (delivery.event.name != name) {
      rest.push_back(std::move(delivery));
      continue;
    }
    taken.push_back(std::move(delivery.event));
    if (!delivery.durable_id.empty()) outcome.taken_events.push_back(std::move(delivery.durable_id));
  }
  waiting = std::move(rest);
  return taken;
}

// An event that its step does not take. What sub-plans became is kept for the step's next try: it would wait for them for ever.
void Execution::drop(int step_id, const Delivery& delivery) {
  log::debug({.task_id = plan_.id}, "step {} takes no event {} now", step_id, delivery.event.name);
  ++surroundings_.dead_letters;
  if (delivery.durable_id.empty()) return;
  const bool may_run_again = is_step(step_id) && plan_.state != PlanState::kStopped &&
                             step(step_id).state != StepState::kSuccess && step(step_id).state != StepState::kSkipped;
  if (delivery.event.name == kSubPlanFinished && may_run_again) return;
  forget_event(delivery.durable_id);
}

void Execution::deliver_to_plan(const Delivery& delivery) {
  if (delivery.event.name == kCancel || delivery.event.name == kAbort) {
    for (auto& [id, cancel] : put_cancels(delivery.event.name == kAbort)) deliver(id, std::move(cancel));
  } else if (delivery.event.name == kHaltPlan) {
    halt_now();
  } else if (delivery.event.name != kResumePlan && delivery.event.name != kSkipStep) {  // those it has had
    log::warn({.task_id = plan_.id}, "an event {} means nothing to a plan", delivery.event.name);
  }
  if (!delivery.durable_id.empty()) forget_event(delivery.durable_id);
}

// The rows of the requests; their deliveries are the caller's.
std::vector<std::pair<int, Execution::Delivery>> Execution::put_cancels(bool force) {
  std::vector<int> targets;
  for (const auto& [id, open] : open_steps_) {
    const StepState state = step(id).state;
    const ActionClass* action_class = class_of_step(id);
    if (!action_class || !action_class->is_cancellable || !accepts_events(id)) continue;
    if (state == StepState::kRunning || state == StepState::kSuspended) targets.push_back(id);
  }
  if (targets.empty()) return {};
  change([this](PlanRecord& plan) { add_history(plan, clock().now(), kCancelEntry, term_->world_id); });
  pending_.has_plan = true;
  std::sort(targets.begin(), targets.end());
  std::vector<std::pair<int, Delivery>> deliveries;
  for (const int id : targets) {
    Delivery delivery{{std::string(force ? kAbort : kCancel), Json()}, surroundings_.options.ids->uuid()};
    pending_.rows.add(
        WriteBatch::PutEvent{{delivery.durable_id, plan_.id, id, delivery.event.name, "null", clock().now(), {}}});
    seen_events_.add(delivery.durable_id);
    deliveries.emplace_back(id, std::move(delivery));
  }
  return deliveries;
}

void Execution::cancel(bool force, std::function<void(Result<int>)> done) {
  strand_->post([self = shared_from_this(), force, done = std::move(done)]() mutable {
    auto deliveries = self->put_cancels(force);
    if (deliveries.empty()) return done(0);
    self->pending_.waiters.push_back([done = std::move(done), count = static_cast<int>(deliveries.size())](Status status) {
      done(status.ok() ? Result<int>(count) : Result<int>(status.error()));
    });
    self->flush();
    for (auto& [id, delivery] : deliveries) self->deliver(id, std::move(delivery));
    self->pump();
  });
}

std::optional<int> Execution::listening_step(int action_id) const {
  const std::lock_guard lock(mutex_);
  if (has_ended_) return std::nullopt;
  if (action_id < 1 || static_cast<std::size_t>(action_id) > plan_.actions.size()) return 0;
  const auto& action = plan_.actions[static_cast<std::size_t>(action_id - 1)];
  const ActionClass* action_class = surroundings_.options.registry->find(action.action_class);
  return action_class && action_class->listens_to_sub_plans ? action.run_step_id : 0;
}

// In the transaction that ends this plan. While it cannot be known whether the parent listens, the end waits.
Status Execution::tell_parent() {
  if (!owes_parent_) return {};
  const auto& root = plan_.actions.front();
  const auto listener = surroundings_.listener_of(root.caller_plan_id, root.caller_action_id);
  if (!listener.ok()) return listener.error();
  owes_parent_ = false;
  if (*listener == 0) return {};
  EventRecord event = end_event(plan_, *listener, clock().now());
  if (!surroundings_.is_here(event.plan_id)) pending_.rows.add(WriteBatch::WakeOwner{event.plan_id});
  pending_.rows.add(WriteBatch::PutEvent{event});
  pending_.waiters.push_back([world = surroundings_.world, event = std::move(event)](const Status& status) {
    if (status.ok()) world->deliver_stored(event);
  });
  return {};
}

}  // namespace dynflow::engine
