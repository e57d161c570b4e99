#include <algorithm>
#include <utility>

#include "shared/engine/world_impl.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::EventRecord;
using persistence::WriteBatch;

namespace {

constexpr std::chrono::milliseconds kReadRetry{1000};
constexpr std::chrono::milliseconds kBusyRetry{50};

// Other events wait for the plan to go on.
bool is_for_resting_plan(const EventRecord& event) {
  return event.step_id == 0 && (event.name == kHaltPlan || event.name == kResumePlan || event.name == kSkipStep);
}

}  // namespace

std::size_t World::Impl::room(bool is_overdue) const {
  const std::lock_guard lock(mutex_);
  const std::size_t resident = resident_.empty() ? 0 : resident_.front();
  std::size_t limit = std::min(options().max_resident_plans, options().max_active_plans);
  std::size_t taken = std::min(resident, limit);
  if (coordinator_->has_company() && !is_overdue) {
    limit = std::min(limit, options().share_above);
    taken = std::min(active_.size(), limit);
  }
  return limit - taken;
}

void World::Impl::take_over(const std::vector<std::string>& plan_ids) {
  for (const std::string& id : plan_ids) {
    const Status taken = take_over_one(id);
    if (taken.ok() || taken.error().code() == Code::kConflict) continue;
    if (taken.error().code() == Code::kNotFound || taken.error().code() == Code::kCorrupt) {
      // One row that cannot be read must not keep the others from being taken up; it stays for whoever looks into it.
      log::error({.task_id = id}, "an unfinished execution plan cannot be read: {}", taken.error().message());
      continue;
    }
    log::warn({.task_id = id}, "an unfinished execution plan cannot be read now: {}", taken.error().message());
    scheduler().post_at(options().clock->instant() + kReadRetry, [strand = std::weak_ptr(launches_), this, id] {
      if (const auto alive = strand.lock()) alive->post([this, id] { take_over({id}); });
    });
  }
}

// The plan is claimed. Errors: kConflict when there is nothing to take up, and the store's.
Status World::Impl::take_over_one(const std::string& plan_id) {
  const auto term = membership_.term();
  if (auto reserved = reserve({plan_id}, Reservation::kKnown); !reserved.ok()) return reserved;  // it is in work here already
  auto plan = load_whole(plan_id);
  auto events = plan.ok() ? store().load_events_of(plan_id) : Result<std::vector<EventRecord>>(plan.error());
  if (!events.ok()) {
    release({plan_id});
    return events.error();
  }
  if (takeover_of(plan->state, Finding::kAny) == Takeover::kLeave) {
    release({plan_id});
    return Error(Code::kConflict, "the plan is " + std::string(persistence::to_string(plan->state)));
  }
  auto kept = stored_secrets(plan_id);
  if (!kept.ok()) {
    release({plan_id});
    return kept.error();
  }
  {
    const std::lock_guard lock(mutex_);
    const int level = level_of(*plan);
    active_[plan_id].level = level;
  }
  activate(term, std::move(*plan), std::move(kept->secrets), [&](Execution& execution) {
    execution.lost_secrets(std::move(kept->loss));
    execution.recover(std::move(*events));
  });
  return {};
}

void World::Impl::delete_events(const std::vector<std::string>& ids, Done done) {
  if (ids.empty()) return;
  WriteBatch batch;
  for (const std::string& id : ids) batch.add(WriteBatch::DeleteEvent{id});
  membership_.submit(*membership_.term(), std::move(batch), persistence::Durability::kFull, [done = std::move(done)](const Status& status) {
    // They are read again, and deleted then.
    if (!status.ok()) log::debug({}, "events that nobody waits for stay stored: {}", status.error().message());
    if (done) done(status);
  });
}

void World::Impl::hand_over_events(std::vector<EventRecord> events) {
  std::vector<EventRecord> strays;
  std::vector<std::string> plan_ids;
  for (EventRecord& event : events) {
    if (const auto execution = find(event.plan_id)) {
      execution->deliver_stored(std::move(event));
    } else {
      plan_ids.push_back(event.plan_id);
      strays.push_back(std::move(event));
    }
  }
  if (strays.empty()) return;
  std::sort(plan_ids.begin(), plan_ids.end());
  plan_ids.erase(std::unique(plan_ids.begin(), plan_ids.end()), plan_ids.end());
  const auto statuses = store().load_statuses(plan_ids);
  if (!statuses.ok()) return;  // the next look finds them again
  std::unordered_map<std::string, PlanState> state_of;
  for (const auto& status : *statuses) state_of[status.id] = status.state;
  std::vector<std::string> useless;
  std::unordered_map<std::string, int> plan_events;  // they come one after another: a skip before the resume that follows it
  for (const EventRecord& event : strays) plan_events[event.plan_id] += is_for_resting_plan(event) ? 1 : 0;
  for (const EventRecord& event : strays) {
    const auto state = state_of.find(event.plan_id);
    if (state == state_of.end() || state->second == PlanState::kStopped) {
      useless.push_back(event.id);
    } else if (is_for_resting_plan(event) && plan_events[event.plan_id] > 0) {
      const int count = std::exchange(plan_events[event.plan_id], 0);
      plan_event_came(event, count > 1);
    } else if (event.step_id == 0 && (event.name == kCancel || event.name == kAbort)) {
      cancel_came(event, state->second);
    }
  }
  delete_events(useless);
}

// For a plan that is not in work, though ours: paused, or waiting for its place. While somebody has it in hands the event waits.
void World::Impl::plan_event_came(const EventRecord& event, bool has_followers) {
  const bool is_in_hands = [&] {
    const std::lock_guard lock(mutex_);
    return is_on_its_way(event.plan_id);
  }();
  if (is_in_hands) return look_again_soon();
  const auto forget = [this, id = event.id, plan_id = event.plan_id, name = event.name, has_followers](const Status& status) {
    if (!status.ok()) log::info({.task_id = plan_id}, "{} came to nothing: {}", name, status.error().message());
    delete_events({id}, [this, has_followers](const Status& deleted) {
      if (deleted.ok() && has_followers) coordinator_->wake();
    });
  };
  if (event.name == kHaltPlan) {
    begin_halt(event.plan_id, [this, forget](const Status& status) {
      if (!status.ok() && status.error().code() == Code::kConflict) return look_again_soon();
      forget(status);
    });
  } else if (event.name == kResumePlan) {
    begin_resume(event.plan_id, forget);
  } else if (event.name == kSkipStep) {
    const auto data = json::parse(event.data);
    begin_skip(event.plan_id, data.ok() ? static_cast<int>(json::get_int(*data, "step_id", 0)) : 0, forget);
  }
}

// For a plan that has not begun, and must not run one day.
void World::Impl::cancel_came(const EventRecord& event, PlanState state) {
  if (state == PlanState::kScheduled) {
    begin_cancel_delayed(event.plan_id, [this, id = event.id](const Result<int>& ended) {
      if (ended.ok() && *ended > 0) return delete_events({id});
      // It is being planned: then its execution gets the event.
      if (ended.ok() || ended.error().code() == Code::kUnavailable) look_again_soon();
    });
  } else if (leave_line(event.plan_id) && start_waiting(event.plan_id).ok()) {
    surroundings_.world->deliver_stored(event);
  }
}

// For events that stayed stored.
void World::Impl::look_again_soon() {
  scheduler().post_at(options().clock->instant() + kBusyRetry, [weak = std::weak_ptr(coordinator_)] {
    if (const auto coordinator = weak.lock()) coordinator->wake();
  });
}

void World::Impl::drop_all() {
  std::vector<std::shared_ptr<Execution>> dropped;
  {
    const std::lock_guard lock(mutex_);
    for (auto place = active_.begin(); place != active_.end();) {
      // An id that is taken is released by whoever took it.
      if (!place->second.execution && !place->second.is_waiting) {
        place->second.has_waited = false;  // its line is gone
        ++place;
        continue;
      }
      if (place->second.execution) dropped.push_back(std::move(place->second.execution));
      place = active_.erase(place);
    }
    resident_.clear();
    waiting_.clear();
    dropped_.assign(dropped.begin(), dropped.end());
    ids_changed_.notify_all();
  }
  for (const auto& execution : dropped) execution->drop();
}

bool World::Impl::are_dropped() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(dropped_.begin(), dropped_.end(), [](const std::weak_ptr<Execution>& one) {
    const auto execution = one.lock();
    return !execution || execution->is_dropped();
  });
}

}  // namespace dynflow::engine
