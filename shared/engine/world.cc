#include "shared/engine/world.h"

#include <utility>

#include "shared/engine/world_impl.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::EventRecord;
using persistence::PlanStatus;

World::Impl::Impl(World& world, WorldOptions options)
    : activity_(std::make_shared<Activity>()),
      membership_(*options.store, activity_, options.ids->uuid()),
      launches_(std::make_shared<Strand>(*options.scheduler, activity_)) {
  surroundings_.world = &world;
  surroundings_.options = std::move(options);
  surroundings_.membership = &membership_;
  surroundings_.activity = activity_;
  configure();
  surroundings_.hooks = std::make_unique<HookRunner>(world, *this->options().registry, surroundings_.middleware,
                                                     std::make_shared<Strand>(scheduler(), activity_));
  surroundings_.on_end = [this](const Execution& execution, const PlanRecord& plan, Json secrets) {
    ended(execution, plan, std::move(secrets));
  };
  surroundings_.prepare = [this](std::vector<PlanRequest> requests) {
    return prepare(std::move(requests), Reservation::kNewAtOnce);
  };
  surroundings_.launched = [this](Launch& launch, const Status& status) { launched(launch, status); };
  surroundings_.listener_of = [this](const std::string& plan_id, int action_id) { return listener_of(plan_id, action_id); };
  surroundings_.is_here = [this](const std::string& plan_id) { return find(plan_id) != nullptr; };
  delayed_executor_ = std::make_shared<DelayedExecutor>(
      surroundings_, [this](const persistence::DelayedRecord& delayed) { return begin_delayed(delayed); });
  CoordinatorTasks tasks;
  tasks.room = [this](bool is_overdue) { return room(is_overdue); };
  tasks.take_over = [this](std::vector<std::string> plan_ids) { take_over(plan_ids); };
  tasks.hand_over_events = [this](std::vector<EventRecord> events) { hand_over_events(std::move(events)); };
  tasks.drop_all = [this] { drop_all(); };
  tasks.are_dropped = [this] { return are_dropped(); };
  tasks.look = [this] { delayed_executor_->look(); };
  coordinator_ = std::make_shared<Coordinator>(surroundings_, std::move(tasks));
  membership_.set_on_refused([this] { coordinator_->check(); });
}

void World::Impl::configure() {
  auto middleware = MiddlewareStacks::make(options().middleware, *options().registry);
  auto queues = Queues::make(options().queues);
  if (!middleware.ok()) configured_ = middleware.error();
  if (!queues.ok()) configured_ = queues.error();
  if (middleware.ok()) surroundings_.middleware = std::move(*middleware);
  surroundings_.queues = queues.ok() ? std::move(*queues) : *Queues::make({});
}

void World::Impl::run_hooks(const PlanRecord& plan, std::vector<PlanState> states) {
  if (!surroundings_.hooks->wants(plan)) return;
  surroundings_.hooks->stored(std::make_shared<const PlanRecord>(plan), std::move(states));
}

World::Impl::~Impl() {
  hooks_.clear();  // of a world that nobody stopped: there is no time for them
  stop(Deadline::after(Duration::zero()));
  activity_->close(scheduler());
  leave();
}

Status World::Impl::start() {
  if (!configured_.ok()) return configured_;
  if (auto joined = coordinator_->start(); !joined.ok()) return joined;
  delayed_executor_->start();
  // Events of plans that ended before a world could take them.
  if (const auto swept = store().sweep(); !swept.ok()) {
    log::warn({}, "what plans left behind cannot be removed: {}", swept.error().message());
  }
  return {};
}

void World::Impl::before_termination(std::string name, std::function<Status(Deadline)> hook, Duration limit) {
  hooks_.push_back({std::move(name), std::move(hook), limit});
}

void World::Impl::stop(Deadline deadline) {
  for (const TerminationHook& hook : std::exchange(hooks_, {})) {
    Status done;
    try {
      done = hook.run(deadline.sooner(Deadline::after(hook.limit)));
    } catch (const std::exception& e) {
      done = Error(Code::kFailed, e.what());
    }
    if (!done.ok()) log::error({}, "before termination: {} failed: {}", hook.name, done.error().message());
  }
  delayed_executor_->stop();
  coordinator_->stop();
  surroundings_.is_closing = true;
  activity_->wait_until_quiet(scheduler(), deadline);
}

void World::Impl::leave() { coordinator_->leave(); }

World::World(WorldOptions options) : impl_(std::make_unique<Impl>(*this, std::move(options))) {}
World::~World() = default;

std::string World::id() const { return impl_->term()->world_id; }
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
std::size_t World::resident_plans() const { return impl_->resident_plans(); }
Status World::start() { return impl_->start(); }
void World::before_termination(std::string name, std::function<Status(Deadline)> hook, Duration limit) {
  impl_->before_termination(std::move(name), std::move(hook), limit);
}
void World::stop(Deadline deadline) { impl_->stop(deadline); }
void World::leave() { impl_->leave(); }
bool World::wait_until_idle(Deadline deadline) { return impl_->wait_until_idle(deadline); }
Result<std::vector<Planned>> World::trigger(std::vector<PlanRequest> requests) { return impl_->trigger(std::move(requests)); }
Result<int> World::cancel(std::string_view plan_id, bool force) { return impl_->cancel(plan_id, force); }
Status World::send_durable(std::string_view plan_id, int step_id, Event event) {
  return impl_->send_durable(plan_id, step_id, std::move(event));
}
Status World::halt(std::string_view plan_id) { return impl_->halt(plan_id); }
Status World::resume(std::string_view plan_id) { return impl_->resume(plan_id); }
Status World::skip(std::string_view plan_id, int step_id) { return impl_->skip(plan_id, step_id); }
Result<Planned> World::delay(PlanRequest request, DelayOptions options) {
  return impl_->delay(std::move(request), std::move(options));
}
Result<Planned> World::chain(std::vector<std::string> plan_ids, PlanRequest request) {
  DelayOptions options;
  options.blocked_by = std::move(plan_ids);
  return impl_->delay(std::move(request), std::move(options));
}
Result<Planned> World::plan_elsewhere(PlanRequest request) { return impl_->delay(std::move(request), {}); }
Status World::set_frozen(std::string_view plan_id, bool is_frozen, std::optional<Time> start_at) {
  return impl_->set_frozen(plan_id, is_frozen, start_at);
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

void World::deliver_stored(EventRecord event) {
  if (const auto execution = impl_->find(event.plan_id)) execution->deliver_stored(std::move(event));
}

void World::append_output(const std::string& plan_id, int action_id, std::vector<persistence::OutputChunk> chunks) {
  if (const auto execution = impl_->find(plan_id)) return execution->append_output(action_id, std::move(chunks));
  log::warn({.task_id = plan_id}, "{} pieces of output came after the plan's end", chunks.size());
}

void World::flush_output(const std::string& plan_id, std::function<void(Status)> done) {
  if (const auto execution = impl_->find(plan_id)) return execution->flush_output(std::move(done));
  done(Error(Code::kNotFound, "execution plan " + plan_id + " is not in work"));
}

void World::note_output(const std::string& plan_id, int step_id, Json changes, std::function<void(Status)> done) {
  if (const auto execution = impl_->find(plan_id)) return execution->note_output(step_id, std::move(changes), std::move(done));
  done(Error(Code::kNotFound, "execution plan " + plan_id + " is not in work"));
}

Result<persistence::PlanRecord> World::find_plan(std::string_view plan_id) {
  if (const auto execution = impl_->find(plan_id)) {
    if (auto image = execution->image()) return std::move(*image);
  }
  return impl_->store().load_plan(plan_id);
}

Result<persistence::ActionRecord> World::find_action(std::string_view plan_id, int action_id) {
  if (const auto execution = impl_->find(plan_id)) {
    if (auto image = execution->image()) {
      for (persistence::ActionRecord& action : image->actions) {
        if (action.id == action_id) return std::move(action);
      }
      return Error(Code::kNotFound, "no action " + std::to_string(action_id) + " in execution plan " + std::string(plan_id));
    }
  }
  return impl_->store().load_action(plan_id, action_id);
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
