#include "shared/engine/delayed_executor.h"

#include <algorithm>
#include <utility>

#include "shared/engine/store_errors.h"
#include "shared/log/log.h"

namespace dynflow::engine {

namespace {

// Plans found at a time.
constexpr std::size_t kPortion = 100;
// More ends than this are not followed one by one: everything is looked through.
constexpr std::size_t kMaxStopped = 1'000;
constexpr std::chrono::milliseconds kRetry{1000};

}  // namespace

DelayedExecutor::DelayedExecutor(Surroundings& surroundings, std::function<bool(const persistence::DelayedRecord&)> begin)
    : surroundings_(surroundings),
      begin_(std::move(begin)),
      strand_(std::make_shared<Strand>(*surroundings.options.scheduler, surroundings.activity)),
      limit_(kPortion) {}

void DelayedExecutor::post(std::function<void()> task) {
  strand_->post([self = shared_from_this(), task = std::move(task)] {
    if (!self->is_over()) task();
  });
}

void DelayedExecutor::start() { look(); }

void DelayedExecutor::stop() {
  is_stopped_ = true;
  surroundings_.options.scheduler->cancel(timer_);
}

void DelayedExecutor::look() {
  may_have_waiting_ = true;
  if (is_over() || is_look_posted_.exchange(true)) return;
  post([this] {
    is_look_posted_ = false;
    look_now();
  });
}

void DelayedExecutor::look_now() {
  is_to_retry_ = false;
  const auto scheduled = store().count_plans(persistence::PlanState::kScheduled);
  if (surroundings_.membership->is_open()) {
    auto ready = store().load_ready_delayed(clock().now(), limit_);
    if (ready.ok()) {
      was_full_ = ready->size() == limit_;
      may_have_waiting_ = !ready->empty() || !scheduled.ok() || *scheduled > 0;
      std::size_t begun = 0;
      for (const auto& delayed : *ready) begun += begin_(delayed) ? 1U : 0U;
      under_way_ += begun;
      // Those that other worlds hold must not stand in the way of the rest.
      limit_ = was_full_ && begun == 0 && under_way_ == 0 ? limit_ * 2 : kPortion;
      if (limit_ > kPortion) look();
    } else {
      log::warn({}, "delayed plans cannot be read: {}", ready.error().message());
      is_to_retry_ = true;
    }
  }
  arm();
}

void DelayedExecutor::done() {
  post([this] {
    if (under_way_ > 0 && --under_way_ == 0 && was_full_) look();
  });
}

void DelayedExecutor::failed(const Error& error) {
  if (!may_pass(error.code())) return;
  post([this] {
    is_to_retry_ = true;
    arm();
  });
}

void DelayedExecutor::arm() {
  if (is_over()) return;
  auto& scheduler = *surroundings_.options.scheduler;
  const Time now = clock().now();
  const auto next = store().next_delayed_time(now);
  std::optional<Duration> wait;
  if (!next.ok()) {
    wait = kRetry;
  } else if (*next) {
    wait = **next - now;
  }
  if (is_to_retry_) wait = wait ? std::min<Duration>(*wait, kRetry) : kRetry;
  if (store().is_shared()) {
    const Duration poll = surroundings_.options.poll_interval;
    wait = wait ? std::min(*wait, poll) : poll;
  }
  scheduler.cancel(timer_);
  timer_ = 0;
  if (!wait) return;
  timer_ = scheduler.post_at(clock().instant() + *wait, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look();
  });
}

void DelayedExecutor::plan_stopped(const std::string& plan_id) {
  if (!may_have_waiting_ || is_over()) return;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_.size() < kMaxStopped) stopped_.push_back(plan_id);
    if (stopped_.size() > 1) return;  // its task is on its way
  }
  post([this] {
    std::vector<std::string> stopped;
    {
      const std::lock_guard lock(mutex_);
      stopped.swap(stopped_);
    }
    if (stopped.size() >= kMaxStopped) return look();
    follow(stopped);
  });
}

void DelayedExecutor::follow(const std::vector<std::string>& stopped) {
  if (!surroundings_.membership->is_open()) return look();
  for (const std::string& id : stopped) {
    const auto dependents = store().load_dependents(id);
    if (!dependents.ok()) return look();
    for (const std::string& dependent : *dependents) {
      const auto delayed = store().load_delayed(dependent);
      if (!delayed.ok()) continue;  // planned already
      if (is_ready(*delayed) && begin_(*delayed)) ++under_way_;
    }
  }
}

bool DelayedExecutor::is_ready(const persistence::DelayedRecord& delayed) const {
  if (delayed.is_frozen) return false;
  const Time now = clock().now();
  const bool is_time = !delayed.start_at || *delayed.start_at <= now || (delayed.start_before && *delayed.start_before <= now);
  if (!is_time) return false;
  const auto prerequisites = store().load_prerequisites(delayed.plan_id);
  return prerequisites.ok() && std::all_of(prerequisites->begin(), prerequisites->end(), [](const auto& prerequisite) {
           return prerequisite.state == persistence::PlanState::kStopped;
         });
}

}  // namespace dynflow::engine
