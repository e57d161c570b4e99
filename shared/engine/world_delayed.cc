#include <algorithm>
#include <utility>

#include "shared/engine/delayed_plan.h"
#include "shared/engine/plan_changes.h"
#include "shared/engine/world_impl.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::DelayedRecord;
using persistence::WriteBatch;

Result<Planned> World::Impl::delay(PlanRequest request, DelayOptions options) {
  if (is_closing()) return Error(Code::kClosed, "the world is stopping");
  if (!this->options().registry->find(request.action_class)) {
    return Error(Code::kNotFound, "unknown action class '" + request.action_class + "'");
  }
  if (!options.blocked_by.empty()) {
    const auto known = store().load_statuses(options.blocked_by);
    if (!known.ok()) return known.error();
    for (const std::string& id : options.blocked_by) {
      const bool is_known = std::any_of(known->begin(), known->end(), [&](const auto& status) { return status.id == id; });
      if (!is_known) return Error(Code::kNotFound, "no execution plan " + id + " to wait for");
    }
  }
  if (is_congested()) return Error(Code::kBusy, "the store is behind with its writes, or the hooks with theirs");
  if (request.plan_id.empty()) request.plan_id = this->options().ids->uuid();
  const std::string id = request.plan_id;
  if (auto reserved = reserve({id}, Reservation::kNew); !reserved.ok()) return reserved.error();

  const auto term = membership_.term();
  NewDelayedPlan made =
      make_delayed_plan(*surroundings_.world, *this->options().registry, request, options, term->world_id);
  WriteBatch rows;
  WriteBatch secret_rows;
  if (!request.secrets.is_null() && !made.error) {
    // Only this world can plan it as it was meant.
    made.record.owner = term->world_id;
    if (const Status sealed = add_secrets(request, secret_rows); !sealed.ok()) {
      release({id});
      return sealed.error();
    }
    const std::lock_guard lock(mutex_);
    delayed_secrets_[id] = std::move(request.secrets);
  }
  rows.add(WriteBatch::InsertPlan{made.record});
  if (!made.error) rows.add(WriteBatch::PutDelayed{std::move(made.delayed)});
  rows.add(std::move(secret_rows));
  for (PlanObserver* observer : this->options().observers) observer->plan_changed(made.record, rows);
  const auto record = std::make_shared<const PlanRecord>(made.record);
  const Status stored = await<Status>([&](auto done) {
    membership_.submit(*term, std::move(rows), persistence::Durability::kFull,
                       [this, id, record, done, strand = launches_](Status status) {
                         strand->post([this, id, record, done, status = std::move(status)] {
                           release({id});
                           if (status.ok()) {
                             run_hooks(*record, {PlanState::kPending, record->state});
                             for (PlanObserver* observer : this->options().observers) observer->rows_stored();
                             delayed_executor_->look();
                           } else {
                             const std::lock_guard lock(mutex_);
                             delayed_secrets_.erase(id);
                           }
                           done(status);
                         });
                       });
  });
  if (!stored.ok()) return stored.error();
  return Planned{id, std::move(made.error)};
}

Status World::Impl::set_frozen(std::string_view plan_id, bool is_frozen, std::optional<Time> start_at) {
  auto delayed = store().load_delayed(plan_id);
  if (!delayed.ok()) return delayed.error();
  delayed->is_frozen = is_frozen;
  if (start_at) delayed->start_at = start_at;
  WriteBatch rows;
  rows.add(WriteBatch::PutDelayed{std::move(*delayed)});
  const Status stored = await<Status>([&](auto done) {
    membership_.submit(*membership_.term(), std::move(rows), persistence::Durability::kFull, std::move(done));
  });
  if (stored.ok()) delayed_executor_->look();
  return stored;
}

bool World::Impl::begin_delayed(const DelayedRecord& delayed) {
  const std::string& id = delayed.plan_id;
  if (!reserve({id}, Reservation::kKnown).ok()) return false;  // being made, or planned, or ended
  const auto leave = [&] {
    release({id});
    return false;
  };
  const auto leave_for_now = [&](const Error& error) {
    delayed_executor_->failed(error);
    return leave();
  };
  if (const Status claimed = claim(id); !claimed.ok()) return leave_for_now(claimed.error());  // another world's, or ended meanwhile
  auto plan = load_whole(id);
  if (!plan.ok()) {
    log::error({.task_id = id}, "a delayed plan cannot be read: {}", plan.error().message());
    return leave_for_now(plan.error());
  }
  if (const auto stored = store().load_delayed(id); !stored.ok()) return leave_for_now(stored.error());  // another world was faster
  const auto prerequisites = store().load_prerequisites(id);
  if (!prerequisites.ok()) return leave_for_now(prerequisites.error());
  std::vector<std::string> failed;
  for (const auto& prerequisite : *prerequisites) {
    if (prerequisite.state != PlanState::kStopped) return leave();
    if (prerequisite.result == PlanResult::kError) failed.push_back(prerequisite.plan_id);
  }

  const Time now = options().clock->now();
  const std::string world_id = membership_.term()->world_id;
  const auto is_over = [this](const Status& status) {
    if (!status.ok()) {
      log::warn({}, "a delayed plan could not be written: {}", status.error().message());
      delayed_executor_->failed(status.error());
    }
    delayed_executor_->done();
  };
  WriteBatch rows;
  rows.add(WriteBatch::DeleteDelayed{id});
  // Planning that never ended left nothing behind: it begins again.
  if (plan->state != PlanState::kScheduled && plan->state != PlanState::kPlanning) {
    membership_.submit(*membership_.term(), std::move(rows), persistence::Durability::kFull, is_over);
    release({id});
    if (takeover_of(plan->state, Finding::kAny) != Takeover::kLeave) take_over({id});
    return true;
  }
  if (delayed.start_before && *delayed.start_before <= now) {
    expire(*plan, *delayed.start_before, now, world_id);
  } else if (!failed.empty()) {
    fail_dependency(*plan, failed, now, world_id);
  } else {
    std::make_shared<Strand>(scheduler(), activity_)->post([this, plan = std::move(*plan), delayed]() mutable {
      plan_now(std::move(plan), delayed);
    });
    return true;
  }
  for (const StepRecord& step : plan->steps) rows.add(WriteBatch::UpdateStep{id, step});
  if (const Status added = add_end_rows(*plan, rows); !added.ok()) return leave_for_now(added.error());
  log::info({.task_id = id}, "a delayed plan was not started: {}", plan->steps.front().error->message);
  store_changed(*plan, std::move(rows), is_over);
  return true;
}

// On a strand of its own: plan phases are other people's code.
void World::Impl::plan_now(PlanRecord plan, const DelayedRecord& delayed) {
  const std::string id = plan.id;
  const auto term = membership_.term();
  const auto launch = std::make_shared<Launch>();
  launch->term = term;
  launch->was_delayed = true;
  WriteBatch rows;
  KeptSecrets kept;
  {
    const std::lock_guard lock(mutex_);
    if (const auto secrets = delayed_secrets_.find(id); secrets != delayed_secrets_.end()) kept.secrets = secrets->second;
  }
  if (kept.secrets.is_null()) {
    auto stored = stored_secrets(id);
    if (!stored.ok()) {
      log::warn({.task_id = id}, "a delayed plan cannot be read now: {}", stored.error().message());
      release({id});
      delayed_executor_->failed(stored.error());
      return delayed_executor_->done();
    }
    kept = std::move(*stored);
  }
  auto request = request_of(*options().registry, plan, delayed);
  NewPlan made;
  if (request.ok()) {
    request->secrets = std::move(kept.secrets);
    made = make_plan(*surroundings_.world, *options().registry, *request);
    made.record.history.insert(made.record.history.begin(), plan.history.begin(), plan.history.end());
    if (!kept.loss.empty()) refuse(made, "its passwords cannot be read: " + kept.loss, options().clock->now(), term->world_id);
  } else {
    fail_delayed(plan, request.error().message(), options().clock->now(), term->world_id);
    made.error = plan.steps.front().error;
    made.record = std::move(plan);
  }
  made.record.owner = term->world_id;
  rows.add(WriteBatch::ReplacePlan{made.record});
  rows.add(WriteBatch::DeleteDelayed{id});
  if (!made.error) {
    for (PlanObserver* observer : options().observers) observer->plan_changed(made.record, rows);
  } else if (const Status added = add_end_rows(made.record, rows); !added.ok()) {
    log::warn({.task_id = id}, "a delayed plan cannot be ended now: {}", added.error().message());
    release({id});
    delayed_executor_->failed(added.error());
    return delayed_executor_->done();
  }
  auto events = events_in(rows);
  launch->plans.push_back(std::move(made));
  launch->secrets.push_back(request.ok() ? std::move(request->secrets) : Json());
  const auto written = [this, id, launch, events = std::move(events)](const Status& status) {
    launched(*launch, status);
    if (status.ok()) {
      {
        const std::lock_guard lock(mutex_);
        delayed_secrets_.erase(id);
      }
      for (const auto& event : events) surroundings_.world->deliver_stored(event);
      for (PlanObserver* observer : options().observers) observer->rows_stored();
    } else {
      log::warn({.task_id = id}, "a delayed plan could not be written: {}", status.error().message());
      delayed_executor_->failed(status.error());
    }
    delayed_executor_->done();
  };
  membership_.submit(*term, std::move(rows), persistence::Durability::kFull, [written, strand = launches_](Status status) {
    strand->post([written, status = std::move(status)] { written(status); });
  });
}

void World::Impl::begin_cancel_delayed(const std::string& plan_id, std::function<void(Result<int>)> done) {
  if (!reserve({plan_id}, Reservation::kKnown).ok()) return done(0);  // it is being planned
  const auto finish = [&](Result<int> result) {
    release({plan_id});
    done(std::move(result));
  };
  const Status claimed = claim(plan_id);
  if (!claimed.ok() && claimed.error().code() == Code::kConflict) {
    release({plan_id});
    return put_for_owner(event_for(plan_id, 0, kCancel, "null"), [done = std::move(done)](const Status& put) {
      done(put.ok() ? Result<int>(1) : Result<int>(put.error()));
    });
  }
  if (!claimed.ok()) {
    return finish(claimed.error().code() == Code::kNotFound ? Result<int>(0) : Result<int>(claimed.error()));
  }
  auto plan = load_whole(plan_id);
  if (!plan.ok()) return finish(plan.error());
  if (plan->state != PlanState::kScheduled) return finish(0);
  cancel_delayed(*plan, options().clock->now(), membership_.term()->world_id);
  WriteBatch rows;
  for (const StepRecord& step : plan->steps) rows.add(WriteBatch::UpdateStep{plan_id, step});
  rows.add(WriteBatch::DeleteDelayed{plan_id});
  if (const Status added = add_end_rows(*plan, rows); !added.ok()) return finish(added.error());
  store_changed(*plan, std::move(rows), [done = std::move(done)](const Status& status) {
    done(status.ok() ? Result<int>(1) : Result<int>(status.error()));
  });
}

}  // namespace dynflow::engine
