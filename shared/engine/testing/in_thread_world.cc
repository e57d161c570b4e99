#include "shared/engine/testing/in_thread_world.h"

#include <algorithm>
#include <utility>

namespace dynflow::engine::testing {

namespace {

// Of the machine's time: for the store, which has threads of its own.
constexpr std::chrono::seconds kPatience{60};

void require(const Status& status) {
  if (!status.ok()) throw ActionError("RuntimeError", status.error().message());
}

}  // namespace

InThreadWorld::InThreadWorld(persistence::Store& store, const ActionRegistry& registry, std::uint64_t seed)
    : scheduler_(seed, clock_), ids_(seed) {
  require(store.start());
  WorldOptions options;
  options.store = &store;
  options.registry = &registry;
  options.scheduler = &scheduler_;
  options.clock = &clock_;
  options.ids = &ids_;
  world_ = std::make_unique<World>(std::move(options));
  require(world_->start());
}

InThreadWorld::~InThreadWorld() {
  world_.reset();
  scheduler_.stop();
}

persistence::PlanRecord InThreadWorld::run(const std::string& action_class, Json args) {
  std::vector<PlanRequest> requests(1);
  requests.front().action_class = action_class;
  requests.front().args = std::move(args);
  const auto planned = world_->trigger(std::move(requests));
  if (!planned.ok()) throw ActionError("RuntimeError", planned.error().message());
  return settle(planned->front().plan_id);
}

persistence::PlanRecord InThreadWorld::settle(const std::string& plan_id) {
  settle();
  auto plan = world_->find_plan(plan_id);
  if (!plan.ok()) throw ActionError("RuntimeError", plan.error().message());
  return std::move(*plan);
}

void InThreadWorld::settle() {
  if (!world_->wait_until_idle(Deadline::after(kPatience))) throw ActionError("RuntimeError", "the world does not come to rest");
}

void InThreadWorld::advance(Duration by) {
  const Instant end = clock_.instant() + by;
  settle();
  while (clock_.instant() < end) {
    const auto next = scheduler_.next_timer();
    const Instant until = next ? std::clamp(*next, clock_.instant(), end) : end;
    clock_.advance(until - clock_.instant());
    scheduler_.run_ready();
    settle();
  }
}

}  // namespace dynflow::engine::testing
