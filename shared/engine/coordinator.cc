#include "shared/engine/coordinator.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

namespace {

// Plans taken over at a time, so that the work of a dead world is shared among the others.
constexpr std::size_t kPortion = 100;
// The same where there are no others: one commit for so many.
constexpr std::size_t kLonePortion = 1000;
constexpr std::chrono::milliseconds kRetry{1000};
// A fenced world waits so long for its last writes to come back refused.
constexpr std::chrono::milliseconds kRejoinPause{20};
constexpr std::chrono::seconds kDropPatience{5};
// The share of its time that reading events may take: one part in so many.
constexpr int kReadingShare = 4;

std::string complete_meta(const std::string& meta) {
  auto parsed = json::parse(meta);
  Json object = parsed.ok() && parsed->is_object() ? std::move(*parsed) : Json::object();
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0 && !object.contains("hostname")) object["hostname"] = name.data();
  if (!object.contains("pid")) object["pid"] = ::getpid();
  return json::dump(object);
}

}  // namespace

Coordinator::Coordinator(Surroundings& surroundings, CoordinatorTasks tasks)
    : surroundings_(surroundings),
      tasks_(std::move(tasks)),
      strand_(std::make_shared<Strand>(*surroundings.options.scheduler, surroundings.activity)) {}

Duration Coordinator::renew_interval() const {
  const auto& options = surroundings_.options;
  return options.renew_interval > Duration::zero() ? options.renew_interval : options.lease / 4;
}

void Coordinator::post(std::function<void()> task) {
  strand_->post([self = shared_from_this(), task = std::move(task)] {
    if (!self->is_over()) task();
  });
}

void Coordinator::arm(Duration after) {
  auto& scheduler = *surroundings_.options.scheduler;
  scheduler.cancel(timer_);
  timer_ = scheduler.post_at(clock().instant() + after, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->post([self = self.get()] { self->tick(); });
  });
}

Status Coordinator::join(const std::string& world_id) {
  persistence::WorldRecord world;
  world.id = world_id;
  world.meta = complete_meta(surroundings_.options.meta);
  return store().join(world, surroundings_.options.lease);
}

Status Coordinator::start() {
  store().set_wake([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->wake();
  });
  if (auto joined = join(surroundings_.membership->term()->world_id); !joined.ok()) return joined;
  has_joined_ = true;
  look_around();
  may_have_orphans_ = true;
  const auto is_full = claim_portion();
  if (!is_full.ok()) return is_full.error();
  has_started_ = true;
  if (*is_full) orphans_made();  // the rest while requests are answered: who asks for one of them has it taken up first
  if (store().is_shared()) arm(std::min(renew_interval(), surroundings_.options.poll_interval));
  return {};
}

void Coordinator::stop() {
  is_stopped_ = true;
  surroundings_.options.scheduler->cancel(timer_);
  store().set_wake(nullptr);
}

void Coordinator::leave() {
  if (!has_joined_.exchange(false)) return;
  surroundings_.membership->end_term();
  if (const Status left = store().leave(); !left.ok() && left.error().code() != Code::kClosed) {
    log::warn({}, "the world could not leave the store, its lease has to run out: {}", left.error().message());
  }
}

void Coordinator::tick() {
  if (is_rejoining_) return rejoin();
  Duration next = std::min(renew_interval(), surroundings_.options.poll_interval);
  const Status renewed = store().renew();
  if (!renewed.ok() && renewed.error().code() == Code::kClosed) return fenced();
  if (!renewed.ok()) {
    if (!std::exchange(has_failed_, true)) log::warn({}, "the world's lease cannot be renewed: {}", renewed.error().message());
    next = std::min<Duration>(next, kRetry);
  } else {
    if (std::exchange(has_failed_, false)) log::info({}, "the world's lease is renewed again");
    look_around();
    may_have_orphans_ = true;
    is_overdue_ = true;
    claim();
    fetch_events();
    tasks_.look();
  }
  if (store().is_shared()) arm(next);
}

void Coordinator::look_around() {
  if (!store().is_shared()) return;
  const auto dead = store().declare_dead();
  if (dead.ok()) {
    for (const std::string& id : *dead) log::warn({}, "world {} has not renewed its lease: declared dead", id);
  }
  const auto worlds = store().load_worlds();
  if (!worlds.ok()) return;
  has_company_ = std::count_if(worlds->begin(), worlds->end(), [](const auto& world) { return world.is_alive; }) > 1;
}

void Coordinator::wake() {
  may_have_orphans_ = true;
  if (is_over() || !has_started_ || is_wake_posted_.exchange(true)) return;
  const auto work = [this] {
    is_wake_posted_ = false;
    if (is_rejoining_) return;
    fetch_events();
    claim();
    tasks_.look();
  };
  const Instant not_before = events_not_before_.load();
  if (clock().instant() >= not_before) return post(work);
  surroundings_.options.scheduler->post_at(not_before, [weak = weak_from_this(), work] {
    if (const auto self = weak.lock()) self->post(work);
  });
}

void Coordinator::fetch_events() {
  const Instant began = clock().instant();
  auto events = store().load_events();
  if (events.ok() && !events->empty()) tasks_.hand_over_events(std::move(*events));
  const Instant ended = clock().instant();
  events_not_before_.store(ended + kReadingShare * (ended - began));
}

void Coordinator::room_made() {
  if (may_have_orphans_ && !is_over()) orphans_made();
}

void Coordinator::orphans_made() {
  may_have_orphans_ = true;
  if (!has_started_ || is_claim_posted_.exchange(true)) return;
  post([this] {
    is_claim_posted_ = false;
    claim();
  });
}

void Coordinator::claim() {
  if (is_rejoining_) return;
  const auto is_full = claim_portion();
  if (is_full.ok()) {
    if (*is_full) orphans_made();  // the next portion, after what else there is to do
    return;
  }
  if (is_full.error().code() == Code::kClosed) return check();
  log::warn({}, "unfinished execution plans cannot be taken up: {}", is_full.error().message());
}

// True: there may be more, and room for them.
Result<bool> Coordinator::claim_portion() {
  const std::size_t wanted = std::min(has_company_ ? kPortion : kLonePortion, tasks_.room(is_overdue_));
  if (wanted == 0 || !may_have_orphans_.exchange(false)) return false;
  auto claimed = store().claim_orphans(wanted);
  if (!claimed.ok()) {
    may_have_orphans_ = true;
    return claimed.error();
  }
  const bool is_full = claimed->size() == wanted;
  if (is_full) may_have_orphans_ = true;
  if (!is_full) is_overdue_ = false;
  if (!claimed->empty()) tasks_.take_over(std::move(*claimed));
  return is_full;
}

void Coordinator::check() {
  if (is_over() || !has_joined_ || is_check_posted_.exchange(true)) return;
  post([this] {
    is_check_posted_ = false;
    if (is_rejoining_) return;
    const Status renewed = store().renew();
    if (!renewed.ok() && renewed.error().code() == Code::kClosed) fenced();
  });
}

// Others may work on our plans by now. Nothing may be written for them any more, whatever is still on its way.
void Coordinator::fenced() {
  log::warn({}, "world {} was declared dead: its plans are dropped, and it joins again",
            surroundings_.membership->term()->world_id);
  surroundings_.membership->end_term();
  is_rejoining_ = true;
  rejoin_anyway_ = clock().instant() + kDropPatience;
  has_joined_ = false;
  tasks_.drop_all();
  rejoin();
}

void Coordinator::rejoin() {
  // Batches that the store has not refused yet must not be taken for those of the next term; and a runner of a dropped plan must not be
  // taken for one of its next execution.
  const bool waits_for_actions = !tasks_.are_dropped() && clock().instant() < rejoin_anyway_;
  if (surroundings_.activity->writes() > 0 || waits_for_actions) return arm(kRejoinPause);
  const std::string id = surroundings_.options.ids->uuid();
  if (const Status joined = join(id); !joined.ok()) {
    if (!std::exchange(has_failed_, true)) log::warn({}, "the world cannot join again: {}", joined.error().message());
    return arm(kRetry);
  }
  has_failed_ = false;
  is_rejoining_ = false;
  has_joined_ = true;
  surroundings_.membership->begin_term(id);
  log::info({}, "joined again as world {}", id);
  tick();
}

}  // namespace dynflow::engine
