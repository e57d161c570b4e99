#include <algorithm>
#include <utility>

#include "shared/engine/world_impl.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::WriteBatch;

namespace {

// Paused plans whose secrets are kept for a resume; of more than these, some resume without.
constexpr std::size_t kMaxPausedSecrets = 10'000;
constexpr std::size_t kMaxListeners = 10'000;
// Waiting plans that are read before other launches have their turn.
constexpr int kTakenUpInTurn = 64;
constexpr std::chrono::milliseconds kReadRetry{1000};

}  // namespace

bool World::Impl::is_on_its_way(const std::string& id) const {
  const auto found = active_.find(id);
  return found != active_.end() && found->second.execution == nullptr && !found->second.is_waiting;
}

Status World::Impl::reserve(const std::vector<std::string>& ids, Reservation kind) {
  const bool is_new = kind != Reservation::kKnown;
  std::unique_lock lock(mutex_);
  if (kind == Reservation::kNew) {
    wait_until(scheduler(), lock, ids_changed_, Deadline::after(kPatience),
               [&] { return std::none_of(ids.begin(), ids.end(), [this](const std::string& id) { return is_on_its_way(id); }); });
  }
  if (is_new && active_.size() + ids.size() > options().max_active_plans) {
    return Error(Code::kBusy, "too many execution plans are in work");
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (active_.emplace(ids[i], Place()).second) continue;
    for (std::size_t j = 0; j < i; ++j) active_.erase(ids[j]);
    if (is_new) return Error(Code::kConflict, "execution plan " + ids[i] + " exists");
    return Error(Code::kConflict, "cannot execute execution_plan_id:" + ids[i] + " it's already running");
  }
  return {};
}

Status World::Impl::reserve_stored(const std::string& id) {
  return leave_line(id) ? Status() : reserve({id}, Reservation::kKnown);
}

bool World::Impl::leave_line(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = active_.find(id);
  if (found == active_.end() || !found->second.is_waiting) return false;
  found->second.is_waiting = false;
  found->second.has_waited = true;
  return true;
}

void World::Impl::release(const std::vector<std::string>& ids) {
  const std::lock_guard lock(mutex_);
  for (const std::string& id : ids) active_.erase(id);
  ids_changed_.notify_all();
}

void World::Impl::give_back(const std::string& id) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = active_.find(id);
    if (found != active_.end() && found->second.has_waited) {
      found->second.has_waited = false;
      found->second.is_waiting = true;
      waiting_[static_cast<std::size_t>(found->second.level)].push_front(id);
    } else {
      active_.erase(id);
    }
    ids_changed_.notify_all();
  }
  launches_->post([this] { take_up_waiting(); });  // there may be a place for it by now
}

std::shared_ptr<Execution> World::Impl::find(std::string_view plan_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = active_.find(std::string(plan_id));
  return found == active_.end() ? nullptr : found->second.execution;
}

std::shared_ptr<Execution> World::Impl::find_taken_up(std::string_view plan_id) const {
  const std::string id(plan_id);
  std::unique_lock lock(mutex_);
  wait_until(scheduler(), lock, ids_changed_, Deadline::after(kPatience), [&] { return !is_on_its_way(id); });
  const auto found = active_.find(id);
  return found == active_.end() ? nullptr : found->second.execution;
}

std::size_t World::Impl::active_plans() const {
  const std::lock_guard lock(mutex_);
  return active_.size();
}

std::size_t World::Impl::resident_plans() const {
  const std::lock_guard lock(mutex_);
  std::size_t sum = 0;
  for (const std::size_t count : resident_) sum += count;
  return sum;
}

// Under mutex_. A sub-plan stands a level above its parent, so that it never waits for the place that its parent holds.
int World::Impl::level_of(const PlanRecord& plan) const {
  if (plan.actions.empty() || plan.actions.front().caller_plan_id.empty()) return 0;
  const auto parent = active_.find(plan.actions.front().caller_plan_id);
  return parent == active_.end() ? 1 : parent->second.level + 1;
}

bool World::Impl::activate(const std::shared_ptr<const Term>& term, PlanRecord plan, Json secrets,
                           const std::function<void(Execution&)>& begin) {
  std::string id = plan.id;
  auto execution = std::make_shared<Execution>(surroundings_, term, std::move(plan), std::move(secrets));
  const std::lock_guard lock(mutex_);
  ids_changed_.notify_all();
  if (!membership_.is_in(*term)) {
    active_.erase(id);
    return false;
  }
  begin(*execution);
  Place& place = active_[std::move(id)];
  place.execution = std::move(execution);
  place.is_waiting = false;
  const auto level = static_cast<std::size_t>(place.level);
  if (resident_.size() <= level) resident_.resize(level + 1);
  ++resident_[level];
  return true;
}

void World::Impl::admit(const std::shared_ptr<const Term>& term, PlanRecord plan, Json secrets) {
  {
    const std::lock_guard lock(mutex_);
    if (!membership_.is_in(*term)) {
      active_.erase(plan.id);
      ids_changed_.notify_all();
      return;
    }
    Place& place = active_[plan.id];
    place.level = level_of(plan);
    const auto level = static_cast<std::size_t>(place.level);
    if (waiting_.size() <= level) waiting_.resize(level + 1);
    const std::size_t resident = level < resident_.size() ? resident_[level] : 0;
    if (!waiting_[level].empty() || resident >= options().max_resident_plans) {
      place.is_waiting = true;
      place.secrets = std::move(secrets);
      waiting_[level].push_back(plan.id);
      ids_changed_.notify_all();
      return;
    }
  }
  activate(term, std::move(plan), std::move(secrets), [](Execution& execution) { execution.start(); });
}

// On the strand of launches.
void World::Impl::take_up_waiting() {
  for (int i = 0; i < kTakenUpInTurn; ++i) {
    std::string id;
    {
      const std::lock_guard lock(mutex_);
      is_taking_up_ = false;
      for (std::size_t level = 0; level < waiting_.size() && id.empty(); ++level) {
        auto& line = waiting_[level];
        const std::size_t resident = level < resident_.size() ? resident_[level] : 0;
        while (!line.empty() && id.empty() && resident < options().max_resident_plans) {
          const auto found = active_.find(line.front());
          if (found != active_.end() && found->second.is_waiting) {
            id = line.front();
            found->second.is_waiting = false;
            found->second.has_waited = true;
          }
          line.pop_front();
        }
      }
      if (id.empty() || is_closing()) return;
      is_taking_up_ = true;
    }
    if (start_waiting(id).ok()) continue;
    scheduler().post_at(options().clock->instant() + kReadRetry, [strand = std::weak_ptr(launches_), this] {
      if (const auto alive = strand.lock()) alive->post([this] { take_up_waiting(); });
    });
    return;
  }
  launches_->post([this] { take_up_waiting(); });
}

Status World::Impl::start_waiting(const std::string& id) {
  const auto term = membership_.term();
  auto plan = load_whole(id);
  std::unique_lock lock(mutex_);
  const auto place = active_.find(id);
  if (place == active_.end()) return {};
  const bool is_dropped = !std::exchange(place->second.has_waited, false);
  if (!is_dropped && !plan.ok() && plan.error().code() != Code::kNotFound && plan.error().code() != Code::kCorrupt) {
    place->second.is_waiting = true;
    waiting_[static_cast<std::size_t>(place->second.level)].push_front(id);
    return plan.error();
  }
  Json secrets = std::move(place->second.secrets);
  lock.unlock();
  if (is_dropped || !plan.ok() || plan->state != PlanState::kPlanned) {
    if (!plan.ok()) log::error({.task_id = id}, "a planned execution plan cannot be read: {}", plan.error().message());
    release({id});
    return {};
  }
  activate(term, std::move(*plan), std::move(secrets), [](Execution& execution) { execution.start(); });
  return {};
}

void World::Impl::ended(const Execution& execution, const PlanRecord& plan, Json secrets) {
  bool has_waiting = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = active_.find(plan.id);
    // Dropped, and perhaps taken up again since.
    if (found == active_.end() || found->second.execution.get() != &execution) return;
    --resident_[static_cast<std::size_t>(found->second.level)];
    active_.erase(found);
    if (plan.state == PlanState::kStopped) {
      paused_secrets_.erase(plan.id);
    } else if (plan.state == PlanState::kPaused && !secrets.is_null()) {
      if (paused_secrets_.size() >= kMaxPausedSecrets) paused_secrets_.erase(paused_secrets_.begin());
      paused_secrets_[plan.id] = std::move(secrets);
    }
    if (!is_taking_up_) {
      has_waiting = std::any_of(waiting_.begin(), waiting_.end(), [](const auto& line) { return !line.empty(); });
      is_taking_up_ = has_waiting;
    }
    ids_changed_.notify_all();
  }
  if (has_waiting) launches_->post([this] { take_up_waiting(); });
  coordinator_->room_made();
  if (plan.state == PlanState::kStopped) delayed_executor_->plan_stopped(plan.id);
}

void World::Impl::wait_until_gone(const std::string& plan_id, const Execution& execution) const {
  std::unique_lock lock(mutex_);
  wait_until(scheduler(), lock, ids_changed_, Deadline::after(kPatience), [&] {
    const auto found = active_.find(plan_id);
    return found == active_.end() || found->second.execution.get() != &execution;
  });
}

void World::Impl::wait_until_at_rest(const std::string& plan_id) const {
  const auto execution = find_taken_up(plan_id);
  if (execution && !execution->status()) wait_until_gone(plan_id, *execution);
}

void World::Impl::release_locks(const std::vector<std::string>& ids) {
  if (!options().registry->has_singletons()) return;
  WriteBatch batch;
  for (const std::string& id : ids) batch.add(WriteBatch::ReleaseLocks{id});
  membership_.submit(*membership_.term(), std::move(batch), persistence::Durability::kRelaxed, [](const Status&) {});
}

bool World::Impl::is_congested() const { return store().is_congested() || surroundings_.hooks->is_congested(); }

Status World::Impl::check_queues(const PlanRecord& plan) const {
  for (const StepRecord& step : plan.steps) {
    if (step.phase == StepPhase::kPlan) continue;
    const Queue& queue = surroundings_.queues.find(step.queue);
    if (queue.is_full()) return Error(Code::kBusy, "too many steps wait for the queue '" + queue.name() + "'");
  }
  return {};
}

bool World::Impl::is_left_to_others(const PlanRequest& request, std::size_t active) const {
  return coordinator_->has_company() && request.secrets.is_null() && request.caller_plan_id.empty() &&
         active >= options().share_above;
}

// Threads: any; on strands with kNewAtOnce.
Result<Launch> World::Impl::prepare(std::vector<PlanRequest> requests, Reservation kind) {
  if (is_closing()) return Error(Code::kClosed, "the world is stopping");
  if (!membership_.is_open()) return Error(Code::kUnavailable, "the world is joining the others again");
  std::vector<std::string> ids;
  std::vector<std::string> chosen;
  for (PlanRequest& request : requests) {
    if (!options().registry->find(request.action_class)) {
      return Error(Code::kNotFound, "unknown action class '" + request.action_class + "'");
    }
    if (request.plan_id.empty()) {
      request.plan_id = options().ids->uuid();
    } else {
      chosen.push_back(request.plan_id);
    }
    ids.push_back(request.plan_id);
  }
  if (is_congested()) return Error(Code::kBusy, "the store is behind with its writes, or the hooks with theirs");
  if (auto reserved = reserve(ids, kind); !reserved.ok()) return reserved.error();
  if (kind == Reservation::kNewAtOnce && !chosen.empty()) {
    // A conflict in the store would cost the plan that asks its whole transaction.
    const auto known = store().load_statuses(chosen);
    if (!known.ok() || !known->empty()) {
      release(ids);
      return known.ok() ? Error(Code::kConflict, "execution plan " + known->front().id + " exists") : known.error();
    }
  }

  Launch launch;
  launch.term = membership_.term();
  std::size_t active = active_plans() - ids.size();
  for (PlanRequest& request : requests) {
    NewPlan made = make_plan(*surroundings_.world, *options().registry, request);
    if (auto checked = check_queues(made.record); !checked.ok()) {
      release_locks(ids);
      release(ids);
      return checked.error();
    }
    if (!request.refusal.empty()) refuse(made, request.refusal, options().clock->now(), launch.term->world_id);
    if (!is_left_to_others(request, active++)) made.record.owner = launch.term->world_id;
    launch.planned.push_back({request.plan_id, made.error});
    launch.rows.add(WriteBatch::InsertPlan{made.record});
    const std::size_t rows_before = launch.rows.size();
    if (made.error && options().registry->is_any_singleton(made.record)) {
      launch.rows.add(WriteBatch::ReleaseLocks{request.plan_id});
    }
    for (PlanObserver* observer : options().observers) observer->plan_changed(made.record, launch.rows);
    launch.has_other_rows |= launch.rows.size() > rows_before;
    if (const Status sealed = made.error ? Status() : add_secrets(request, launch.rows); !sealed.ok()) {
      release_locks(ids);
      release(ids);
      return sealed.error();
    }
    launch.plans.push_back(std::move(made));
    launch.secrets.push_back(std::move(request.secrets));
  }
  return launch;
}

Result<std::vector<Planned>> World::Impl::trigger(std::vector<PlanRequest> requests) {
  auto prepared = prepare(std::move(requests), Reservation::kNew);
  if (!prepared.ok()) return prepared.error();
  const auto launch = std::make_shared<Launch>(std::move(*prepared));
  if (launch->plans.empty()) return std::vector<Planned>();

  // The plans start when their rows are durable, whether or not the caller still waits then.
  auto stored = await<Status>([&](auto done) {
    membership_.submit(*launch->term, std::move(launch->rows), persistence::Durability::kFull,
                       [this, launch, done, strand = launches_](Status status) {
                         strand->post([this, launch, done, status = std::move(status)] {
                           launched(*launch, status);
                           for (PlanObserver* observer : options().observers) {
                             if (status.ok() && launch->has_other_rows) observer->rows_stored();
                           }
                           done(status);
                         });
                       });
  });
  if (!stored.ok()) return stored.error();
  return launch->planned;
}

void World::Impl::launched(Launch& launch, const Status& status) {
  if (!status.ok()) {
    // A plan that is there already may hold what it took for itself.
    if (status.error().code() != Code::kConflict) release_locks(launch.ids());
    return release(launch.ids());
  }
  std::vector<std::string> released;
  bool has_orphans = false;
  for (std::size_t i = 0; i < launch.plans.size(); ++i) {
    NewPlan& plan = launch.plans[i];
    std::vector<PlanState> states{PlanState::kPlanning, plan.record.state};
    if (!launch.was_delayed) states.insert(states.begin(), PlanState::kPending);
    run_hooks(plan.record, std::move(states));
    if (plan.error || plan.record.owner.empty()) {
      has_orphans |= !plan.error;
      released.push_back(plan.record.id);
    } else {
      admit(launch.term, std::move(plan.record), std::move(launch.secrets[i]));
    }
  }
  release(released);
  if (has_orphans) coordinator_->orphans_made();
  for (const NewPlan& plan : launch.plans) {
    if (plan.error) delayed_executor_->plan_stopped(plan.record.id);
  }
}

Result<int> World::Impl::listener_of(const std::string& plan_id, int action_id) {
  if (!options().registry->has_listeners()) return 0;
  if (const auto execution = find(plan_id)) {
    if (const auto step = execution->listening_step(action_id)) return *step;
  }
  const std::string key = plan_id + "/" + std::to_string(action_id);
  std::optional<int> known;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = listeners_.find(key); found != listeners_.end()) known = found->second;
  }
  if (known) {
    if (*known == 0) return 0;
    const auto statuses = store().load_statuses({plan_id});
    if (!statuses.ok()) return statuses.error();
    return statuses->empty() || statuses->front().state == PlanState::kStopped ? 0 : *known;
  }
  const auto plan = store().load_plan(plan_id);
  if (!plan.ok() && plan.error().code() == Code::kCorrupt) {
    log::error({.task_id = plan_id}, "its sub-plans cannot tell it their ends: {}", plan.error().message());
    return 0;
  }
  if (!plan.ok()) return plan.error().code() == Code::kNotFound ? Result<int>(0) : Result<int>(plan.error());
  int step = 0;
  if (action_id >= 1 && static_cast<std::size_t>(action_id) <= plan->actions.size()) {
    const auto& action = plan->actions[static_cast<std::size_t>(action_id - 1)];
    const ActionClass* action_class = options().registry->find(action.action_class);
    if (action_class && action_class->listens_to_sub_plans) step = action.run_step_id;
  }
  {
    const std::lock_guard lock(mutex_);
    if (listeners_.size() >= kMaxListeners) listeners_.clear();
    listeners_[key] = step;
  }
  return plan->state == PlanState::kStopped ? 0 : step;
}

}  // namespace dynflow::engine
