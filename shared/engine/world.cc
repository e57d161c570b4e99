#include "shared/engine/world.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "shared/engine/execution.h"
#include "shared/engine/planner.h"
#include "shared/engine/rescue.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::EventRecord;
using persistence::PlanStatus;
using persistence::WriteBatch;

namespace {

// How long a caller waits for the plan's strand and for the store.
constexpr std::chrono::seconds kPatience{60};
// Paused plans whose secrets are kept for a resume; of more than these, some resume without.
constexpr std::size_t kMaxPausedSecrets = 10'000;

// A value that another thread will set once.
template <class T>
class Awaited {
 public:
  void set(T value) {
    const std::lock_guard lock(mutex_);
    if (!value_) value_.emplace(std::move(value));
    changed_.notify_all();
  }
  T wait(Scheduler& scheduler) {
    std::unique_lock lock(mutex_);
    if (!wait_until(scheduler, lock, changed_, Deadline::after(kPatience), [this] { return value_.has_value(); })) {
      return Error(Code::kTimeout, "the store did not answer in time");
    }
    return std::move(*value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

}  // namespace

class World::Impl {
 public:
  Impl(World& world, WorldOptions options)
      : activity_(std::make_shared<Activity>()),
        launches_(std::make_shared<Strand>(*options.scheduler, activity_)) {
    surroundings_.world = &world;
    surroundings_.options = std::move(options);
    surroundings_.world_id = surroundings_.options.ids->uuid();
    surroundings_.activity = activity_;
    configure();
    surroundings_.hooks = std::make_unique<HookRunner>(world, *this->options().registry, surroundings_.middleware,
                                                       std::make_shared<Strand>(scheduler(), activity_));
    surroundings_.on_end = [this](const PlanRecord& plan, Json secrets) { ended(plan, std::move(secrets)); };
  }

  ~Impl() {
    stop(Deadline::after(Duration::zero()));
    activity_->close(scheduler());
  }

  const WorldOptions& options() const { return surroundings_.options; }
  const std::string& id() const { return surroundings_.world_id; }
  persistence::Store& store() const { return *options().store; }
  Scheduler& scheduler() const { return *options().scheduler; }
  bool is_closing() const { return surroundings_.is_closing; }

  void stop(Deadline deadline) {
    surroundings_.is_closing = true;
    activity_->wait_until_quiet(scheduler(), deadline);
  }

  Surroundings& surroundings() { return surroundings_; }
  void run_hooks(const PlanRecord& plan, std::vector<PlanState> states) {
    if (!surroundings_.hooks->wants(plan)) return;
    surroundings_.hooks->stored(std::make_shared<const PlanRecord>(plan), std::move(states));
  }

  Status start();
  Result<std::vector<Planned>> trigger(World& world, std::vector<PlanRequest> requests);
  Status resume(std::string_view plan_id);
  Status skip(std::string_view plan_id, int step_id);

  // Null: not in work, or about to be.
  std::shared_ptr<Execution> find(std::string_view plan_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = active_.find(std::string(plan_id));
    return found == active_.end() ? nullptr : found->second;
  }
  std::size_t active_plans() const {
    const std::lock_guard lock(mutex_);
    return active_.size();
  }
  // kNotFound when the store has no such plan.
  Status exists(std::string_view plan_id) const {
    const auto statuses = store().load_statuses({std::string(plan_id)});
    if (!statuses.ok()) return statuses.error();
    if (statuses->empty()) return Error(Code::kNotFound, "no execution plan " + std::string(plan_id));
    return {};
  }

  // Runs `begin(done)`, which calls done(result) once, and waits for the result.
  template <class T, class Begin>
  T await(Begin&& begin) const {
    const auto awaited = std::make_shared<Awaited<T>>();
    begin([awaited](T result) { awaited->set(std::move(result)); });
    return awaited->wait(scheduler());
  }

 private:
  struct Launch {
    std::vector<NewPlan> plans;
    std::vector<Json> secrets;
  };

  // What the options ask for; what is wrong with them is what start() answers.
  void configure();
  bool is_congested() const;
  // kBusy when a queue of its steps has too many waiting.
  Status check_queues(const PlanRecord& plan) const;
  // Takes the ids, so that nobody else works on these plans. Errors: kBusy, kConflict. For new plans it waits until other launches
  // of these ids have become durable or failed: who is told of a conflict finds the other plan stored.
  Status reserve(const std::vector<std::string>& ids, bool is_new);
  void release(const std::vector<std::string>& ids);
  void release_locks(const std::vector<std::string>& ids);
  // `begin` gives the execution its first task, before anybody can find it: a cancel must not come first.
  template <class Begin>
  void activate(PlanRecord plan, Json secrets, Begin&& begin);
  void launched(Launch& launch);
  Result<PlanRecord> load_paused(std::string_view plan_id) const;
  void ended(const PlanRecord& plan, Json secrets);

  Surroundings surroundings_;
  Status configured_;
  const std::shared_ptr<Activity> activity_;
  const std::shared_ptr<Strand> launches_;

  mutable std::mutex mutex_;
  std::condition_variable ids_changed_;  // an id was released, or its execution is there
  std::unordered_map<std::string, std::shared_ptr<Execution>> active_;  // null: its id is taken
  std::unordered_map<std::string, Json> paused_secrets_;
};

void World::Impl::configure() {
  auto middleware = MiddlewareStacks::make(options().middleware, *options().registry);
  auto queues = Queues::make(options().queues);
  if (!middleware.ok()) configured_ = middleware.error();
  if (!queues.ok()) configured_ = queues.error();
  if (middleware.ok()) surroundings_.middleware = std::move(*middleware);
  surroundings_.queues = queues.ok() ? std::move(*queues) : *Queues::make({});
}

bool World::Impl::is_congested() const { return store().is_congested() || surroundings_.hooks->is_congested(); }

// Of plans that are not to be. Nobody waits for it: locks of plans that are not there are swept up in any case.
void World::Impl::release_locks(const std::vector<std::string>& ids) {
  if (!options().registry->has_singletons()) return;
  WriteBatch batch;
  for (const std::string& id : ids) batch.add(WriteBatch::ReleaseLocks{id});
  store().submit(std::move(batch), persistence::Durability::kRelaxed, [](Status) {});
}

Status World::Impl::check_queues(const PlanRecord& plan) const {
  for (const StepRecord& step : plan.steps) {
    if (step.phase == StepPhase::kPlan) continue;
    const Queue& queue = surroundings_.queues.find(step.queue);
    if (queue.is_full()) return Error(Code::kBusy, "too many steps wait for the queue '" + queue.name() + "'");
  }
  return {};
}

Status World::Impl::reserve(const std::vector<std::string>& ids, bool is_new) {
  std::unique_lock lock(mutex_);
  const auto is_on_its_way = [this](const std::string& id) {
    const auto found = active_.find(id);
    return found != active_.end() && found->second == nullptr;
  };
  if (is_new) {
    wait_until(scheduler(), lock, ids_changed_, Deadline::after(kPatience),
               [&] { return std::none_of(ids.begin(), ids.end(), is_on_its_way); });
  }
  if (is_new && active_.size() + ids.size() > options().max_active_plans) {
    return Error(Code::kBusy, "too many execution plans are in work");
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (active_.emplace(ids[i], nullptr).second) continue;
    for (std::size_t j = 0; j < i; ++j) active_.erase(ids[j]);
    return Error(Code::kConflict, "execution plan " + ids[i] + (is_new ? " exists" : " is in work"));
  }
  return {};
}

void World::Impl::release(const std::vector<std::string>& ids) {
  const std::lock_guard lock(mutex_);
  for (const std::string& id : ids) active_.erase(id);
  ids_changed_.notify_all();
}

template <class Begin>
void World::Impl::activate(PlanRecord plan, Json secrets, Begin&& begin) {
  std::string id = plan.id;
  auto execution = std::make_shared<Execution>(surroundings_, std::move(plan), std::move(secrets));
  const std::lock_guard lock(mutex_);
  begin(*execution);
  active_[std::move(id)] = std::move(execution);
  ids_changed_.notify_all();
}

void World::Impl::ended(const PlanRecord& plan, Json secrets) {
  const std::lock_guard lock(mutex_);
  active_.erase(plan.id);
  if (plan.state == PlanState::kStopped) {
    paused_secrets_.erase(plan.id);
  } else if (!secrets.is_null()) {
    if (paused_secrets_.size() >= kMaxPausedSecrets) paused_secrets_.erase(paused_secrets_.begin());
    paused_secrets_[plan.id] = std::move(secrets);
  }
}

Result<std::vector<Planned>> World::Impl::trigger(World& world, std::vector<PlanRequest> requests) {
  if (is_closing()) return Error(Code::kClosed, "the world is stopping");
  if (requests.empty()) return std::vector<Planned>();
  std::vector<std::string> ids;
  for (PlanRequest& request : requests) {
    if (!options().registry->find(request.action_class)) {
      return Error(Code::kNotFound, "unknown action class '" + request.action_class + "'");
    }
    if (request.plan_id.empty()) request.plan_id = options().ids->uuid();
    ids.push_back(request.plan_id);
  }
  if (is_congested()) return Error(Code::kBusy, "the store is behind with its writes, or the hooks with theirs");
  if (auto reserved = reserve(ids, true); !reserved.ok()) return reserved.error();

  const auto launch = std::make_shared<Launch>();
  std::vector<Planned> planned;
  WriteBatch batch;
  for (PlanRequest& request : requests) {
    NewPlan made = make_plan(world, *options().registry, request);
    if (auto checked = check_queues(made.record); !checked.ok()) {
      release_locks(ids);
      release(ids);
      return checked.error();
    }
    planned.push_back({request.plan_id, made.error});
    batch.add(WriteBatch::InsertPlan{made.record});
    if (made.error && options().registry->is_any_singleton(made.record)) batch.add(WriteBatch::ReleaseLocks{request.plan_id});
    for (PlanObserver* observer : options().observers) observer->plan_changed(made.record, batch);
    launch->plans.push_back(std::move(made));
    launch->secrets.push_back(std::move(request.secrets));
  }
  const bool has_other_rows = batch.size() > requests.size();

  // The plans start when their rows are durable, whether or not the caller still waits then.
  auto stored = await<Status>([&](auto done) {
    activity_->write_began();
    store().submit(std::move(batch), persistence::Durability::kFull,
                   [this, launch, ids, has_other_rows, done, strand = launches_, activity = activity_](Status status) {
                     strand->post([this, launch, ids, has_other_rows, done, status = std::move(status)] {
                       if (status.ok()) {
                         launched(*launch);
                         for (PlanObserver* observer : options().observers) {
                           if (has_other_rows) observer->rows_stored();
                         }
                       } else {
                         // A plan that is there already may hold what it took for itself.
                         if (status.error().code() != Code::kConflict) release_locks(ids);
                         release(ids);
                       }
                       done(status);
                     });
                     activity->write_ended();
                   });
  });
  if (!stored.ok()) return stored.error();
  return planned;
}

void World::Impl::launched(Launch& launch) {
  std::vector<std::string> failed;
  for (std::size_t i = 0; i < launch.plans.size(); ++i) {
    NewPlan& plan = launch.plans[i];
    run_hooks(plan.record, {PlanState::kPending, PlanState::kPlanning, plan.record.state});
    if (plan.error) {
      failed.push_back(plan.record.id);
    } else {
      activate(std::move(plan.record), std::move(launch.secrets[i]), [](Execution& execution) { execution.start(); });
    }
  }
  release(failed);
}

Status World::Impl::start() {
  if (!configured_.ok()) return configured_;
  const auto unfinished = store().load_unfinished();
  if (!unfinished.ok()) return unfinished.error();
  auto events = store().load_events();
  if (!events.ok()) return events.error();
  std::unordered_map<std::string, std::vector<EventRecord>> events_of;
  for (EventRecord& event : *events) events_of[event.plan_id].push_back(std::move(event));

  for (const std::string& plan_id : *unfinished) {
    if (!reserve({plan_id}, false).ok()) continue;  // launched by this world
    auto plan = store().load_plan(plan_id);
    if (!plan.ok()) {
      // One row that cannot be read must not keep the others from being taken up; it stays for whoever looks into it.
      log::error({.task_id = plan_id}, "an unfinished execution plan cannot be read: {}", plan.error().message());
      release({plan_id});
      continue;
    }
    auto waiting = events_of.extract(plan_id);
    if (plan->state == PlanState::kPaused || plan->state == PlanState::kScheduled) {
      release({plan_id});
      continue;
    }
    activate(std::move(*plan), Json(), [&](Execution& execution) {
      execution.recover(waiting ? std::move(waiting.mapped()) : std::vector<EventRecord>());
    });
  }

  // What is left is for plans that have ended.
  WriteBatch leftovers;
  for (const auto& [plan_id, list] : events_of) {
    for (const EventRecord& event : list) leftovers.add(WriteBatch::DeleteEvent{event.id});
  }
  if (leftovers.empty()) return {};
  return await<Status>([&](auto done) {
    store().submit(std::move(leftovers), persistence::Durability::kFull, std::move(done));
  });
}

Result<PlanRecord> World::Impl::load_paused(std::string_view plan_id) const {
  auto plan = store().load_plan(plan_id);
  if (plan.ok() && plan->state != PlanState::kPaused) {
    return Error(Code::kConflict, "execution_plan is not in paused state, it's " +
                                      std::string(persistence::to_string(plan->state)));
  }
  return plan;
}

Status World::Impl::resume(std::string_view plan_id) {
  if (is_closing()) return Error(Code::kClosed, "the world is stopping");
  const std::vector<std::string> ids{std::string(plan_id)};
  if (auto reserved = reserve(ids, false); !reserved.ok()) return reserved;
  auto plan = load_paused(plan_id);
  auto events = store().load_events();
  if (!plan.ok() || !events.ok()) {
    release(ids);
    return plan.ok() ? events.error() : plan.error();
  }
  std::vector<EventRecord> waiting;
  for (EventRecord& event : *events) {
    if (event.plan_id == plan_id) waiting.push_back(std::move(event));
  }
  Json secrets;
  {
    const std::lock_guard lock(mutex_);
    if (auto kept = paused_secrets_.extract(ids.front())) secrets = std::move(kept.mapped());
  }
  return await<Status>([&](auto done) {
    activate(std::move(*plan), std::move(secrets),
             [&](Execution& execution) { execution.start(std::move(waiting), std::move(done)); });
  });
}

Status World::Impl::skip(std::string_view plan_id, int step_id) {
  const std::vector<std::string> ids{std::string(plan_id)};
  if (auto reserved = reserve(ids, false); !reserved.ok()) return reserved;
  const auto skip_reserved = [&]() -> Status {
    auto plan = load_paused(plan_id);
    if (!plan.ok()) return plan.error();
    const auto changes = changes_to_skip(*plan, step_id);
    if (!changes.ok()) return changes.error();
    WriteBatch batch;
    for (const StepChange& change : *changes) {
      StepRecord& step = plan->steps[static_cast<std::size_t>(change.step_id - 1)];
      step.state = change.state;
      batch.add(WriteBatch::UpdateStep{plan->id, step});
    }
    plan->result = result_of(plan->steps);
    batch.add(WriteBatch::UpdatePlan{plan->id,
                                     {plan->state, plan->result, plan->started_at, plan->ended_at, plan->execution_time,
                                      plan->real_time, plan->history}});
    return await<Status>([&](auto done) {
      store().submit(std::move(batch), persistence::Durability::kFull, std::move(done));
    });
  };
  auto skipped = skip_reserved();
  release(ids);
  return skipped;
}

World::World(WorldOptions options) : impl_(std::make_unique<Impl>(*this, std::move(options))) {}
World::~World() = default;

const std::string& World::id() const { return impl_->id(); }
const Clock& World::clock() const { return *impl_->options().clock; }
persistence::Store& World::store() { return impl_->store(); }
const ActionClass* World::find_class(std::string_view name) const { return impl_->options().registry->find(name); }
const MiddlewareStack* World::middleware_of(const ActionClass* action_class) const {
  return impl_->surroundings().middleware.of(action_class);
}
void World::run_hooks(const PlanRecord& plan, std::vector<PlanState> states) { impl_->run_hooks(plan, std::move(states)); }
std::vector<QueueStatus> World::queues() const { return impl_->surroundings().queues.status(); }
std::uint64_t World::dead_letters() const { return impl_->surroundings().dead_letters; }
std::size_t World::active_plans() const { return impl_->active_plans(); }
Status World::start() { return impl_->start(); }
void World::stop(Deadline deadline) { impl_->stop(deadline); }
Status World::resume(std::string_view plan_id) { return impl_->resume(plan_id); }
Status World::skip(std::string_view plan_id, int step_id) { return impl_->skip(plan_id, step_id); }

Result<std::vector<Planned>> World::trigger(std::vector<PlanRequest> requests) {
  return impl_->trigger(*this, std::move(requests));
}

Result<int> World::cancel(std::string_view plan_id, bool force) {
  const auto execution = impl_->find(plan_id);
  if (!execution) {
    const auto known = impl_->exists(plan_id);
    return known.ok() ? Result<int>(0) : Result<int>(known.error());
  }
  return impl_->await<Result<int>>([&](auto done) { execution->cancel(force, std::move(done)); });
}

Status World::send_durable(std::string_view plan_id, int step_id, Event event) {
  const auto execution = impl_->find(plan_id);
  if (!execution) {
    const auto known = impl_->exists(plan_id);
    return known.ok() ? Status(Error(Code::kConflict, "step is not suspended, it cannot process events")) : known;
  }
  return impl_->await<Status>([&](auto done) { execution->send_durable(step_id, std::move(event), std::move(done)); });
}

Json World::delayed_args(const std::string& plan_id, const std::string& action_class, Json args) {
  if (const MiddlewareStack* stack = middleware_of(find_class(action_class))) {
    Delaying delaying{*this, plan_id, action_class, args};
    stack->delay(delaying, [] {});
  }
  return args;
}

void World::send(std::string plan_id, int step_id, Event event) {
  if (const auto execution = impl_->find(plan_id)) return execution->send(step_id, std::move(event));
  ++impl_->surroundings().dead_letters;
  log::debug({.task_id = plan_id}, "event {} came after the plan's end", event.name);
}

void World::append_output(const std::string& plan_id, int action_id, std::vector<persistence::OutputChunk> chunks) {
  if (const auto execution = impl_->find(plan_id)) return execution->append_output(action_id, std::move(chunks));
  log::warn({.task_id = plan_id}, "{} pieces of output came after the plan's end", chunks.size());
}

void World::flush_output(const std::string& plan_id, std::function<void(Status)> done) {
  if (const auto execution = impl_->find(plan_id)) return execution->flush_output(std::move(done));
  done(Error(Code::kNotFound, "execution plan " + plan_id + " is not in work"));
}

Result<persistence::PlanRecord> World::find_plan(std::string_view plan_id) {
  if (const auto execution = impl_->find(plan_id)) {
    if (auto image = execution->image()) return std::move(*image);
  }
  return impl_->store().load_plan(plan_id);
}

Result<std::vector<PlanStatus>> World::find_statuses(const std::vector<std::string>& plan_ids) {
  std::vector<PlanStatus> statuses;
  std::vector<std::string> others;
  for (const std::string& plan_id : plan_ids) {
    const auto execution = impl_->find(plan_id);
    auto status = execution ? execution->status() : std::nullopt;
    if (status) {
      statuses.push_back(std::move(*status));
    } else {
      others.push_back(plan_id);
    }
  }
  if (others.empty()) return statuses;
  auto stored = impl_->store().load_statuses(others);
  if (!stored.ok()) return stored;
  statuses.insert(statuses.end(), stored->begin(), stored->end());
  return statuses;
}

}  // namespace dynflow::engine
