#include "shared/engine/sub_plans.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

namespace {

// When the engine has too much to do for more plans, or the store cannot be read.
constexpr std::chrono::seconds kBusyRetry{1};

constexpr const char* kTotal = "total_count";
constexpr const char* kPlanned = "planned_count";
constexpr const char* kSuccess = "success_count";
constexpr const char* kFailed = "failed_count";
constexpr const char* kCancelled = "cancelled_count";
constexpr const char* kPending = "pending_count";
constexpr const char* kResumed = "resumed_count";
constexpr const char* kCancelledAt = "cancelled_timestamp";
constexpr const char* kPaused = "paused_sub_plans";
// What only this file looks at: {"unplannable": could not be planned, "began_at": epoch microseconds, "wake": the timer}
constexpr const char* kOwn = "dynflow";

std::int64_t counter(const Json& output, const char* name) { return json::get_int(output, name, 0); }
void add(Json& output, const char* name, std::int64_t count) { output[name] = counter(output, name) + count; }

std::int64_t own_counter(const Json& output, const char* name) {
  const Json* own = json::find(output, kOwn);
  return own == nullptr ? 0 : json::get_int(*own, name, 0);
}

std::size_t size_of(std::int64_t count) { return static_cast<std::size_t>(std::max<std::int64_t>(count, 0)); }

std::int64_t ended_count(const Json& output) {
  return counter(output, kSuccess) + counter(output, kFailed) + counter(output, kCancelled);
}
// Made, and neither ended nor stillborn.
std::int64_t in_work(const Json& output) {
  const std::int64_t not_made = counter(output, kTotal) - counter(output, kPlanned);
  const std::int64_t cancelled_unmade = output.contains(kCancelledAt) ? not_made : 0;
  return counter(output, kPlanned) - (ended_count(output) - cancelled_unmade);
}
std::int64_t remaining(const Json& output) {
  return output.contains(kCancelledAt) ? 0 : counter(output, kTotal) - counter(output, kPlanned);
}
// Some were made, and not one of them could be planned.
bool has_only_unplannable(const Json& output) {
  const std::int64_t planned = counter(output, kPlanned);
  return planned > 0 && own_counter(output, "unplannable") == planned;
}

std::string iso_seconds(Time time) {
  std::string text = dynflow_time(time).substr(0, 19);  // "2026-11-22 06:56:00"
  text[10] = 'T';
  return text + "Z";
}

bool take_from_paused(Json& output, const std::string& plan_id) {
  const auto paused = output.find(kPaused);
  if (paused == output.end()) return false;
  const auto found = std::find(paused->begin(), paused->end(), Json(plan_id));
  if (found == paused->end()) return false;
  paused->erase(found);
  if (paused->empty()) output.erase(paused);
  return true;
}

}  // namespace

void WithSubPlans::run(Running& running, const Event* event) {
  Json& output = running.output();
  if (event == nullptr) {
    output.contains(kTotal) ? resume(running) : initiate(running);
  } else if (event->name == kSubPlanFinished) {
    count(output, event->data);
  } else if (event->name == kCancel || event->name == kAbort) {
    cancel(running, event->name == kAbort);
  } else if (event->name == kNextBatch) {
    Json& own = output[kOwn];
    const Json* timer = json::find(own, "wake");
    if (timer == nullptr || event->data != (*timer)["number"]) return static_cast<void>(running.suspend());  // an older one
    own.erase("wake");
  } else if (event->name == kSkipEvent) {
    return;
  } else {
    throw ActionError("RuntimeError", "unexpected event " + event->name);
  }
  // Many end together: one result for all of them.
  for (const Event& more : running.take_events(kSubPlanFinished)) count(output, more.data);
  spawn(running);
  output[kPending] = std::max<std::int64_t>(0, counter(output, kTotal) - ended_count(output));
  const bool is_hopeless = has_only_unplannable(output) && counter(output, kSuccess) == 0;
  if (ended_count(output) < counter(output, kTotal) && !is_hopeless) return static_cast<void>(running.suspend());
  if (counter(output, kFailed) + counter(output, kCancelled) > 0) {
    if (has_made_) {
      // A run that fails makes nothing, and what could not be planned is to be seen.
      wake(running, Duration::zero());
      return static_cast<void>(running.suspend());
    }
    throw ActionError("Dynflow::Action::WithSubPlans::SubtaskFailedException", "A sub task failed");
  }
  on_finish(running);
}

void WithSubPlans::initiate(Running& running) {
  Json& output = running.output();
  output[kTotal] = total_count(running);
  for (const char* name : {kPlanned, kSuccess, kFailed, kCancelled}) output[name] = 0;
  output[kOwn] = Json{{"unplannable", 0}, {"began_at", running.clock().now().time_since_epoch().count()}};
}

void WithSubPlans::resume(Running& running) {
  Json& output = running.output();
  if (has_only_unplannable(output)) {
    const std::int64_t before = counter(output, kResumed) + counter(output, kFailed);
    initiate(running);
    output[kResumed] = before;
    output.erase(kCancelledAt);
  }
  // The timer of an earlier world may be lost, or not: the next one has another number.
  output[kOwn].erase("wake");
}

void WithSubPlans::count(Json& output, const Json& ended) const {
  const std::string plan_id = json::get_string(ended, "execution_plan_id");
  const bool was_paused = take_from_paused(output, plan_id);
  if (was_paused) add(output, kFailed, -1);
  if (json::get_string(ended, "state") == "paused") {
    output[kPaused].push_back(plan_id);
    add(output, kFailed, 1);
  } else if (json::get_string(ended, "result") == "success") {
    add(output, kSuccess, 1);
  } else {
    add(output, output.contains(kCancelledAt) && !was_paused ? kCancelled : kFailed, 1);
  }
}

void WithSubPlans::cancel(Running& running, bool force) {
  Json& output = running.output();
  if (!output.contains(kCancelledAt)) {
    add(output, kCancelled, remaining(output));
    output[kCancelledAt] = iso_seconds(running.clock().now());
  }
  const auto children = running.sub_plans();
  if (!children.ok()) throw ActionError("RuntimeError", "sub-plans cannot be found: " + children.error().message());
  for (const persistence::PlanStatus& child : *children) {
    const bool has_ended =
        child.state == persistence::PlanState::kStopped || child.state == persistence::PlanState::kPaused;
    if (!has_ended) running.cancel_plan(child.id, force);
  }
}

void WithSubPlans::spawn(Running& running) {
  Json& output = running.output();
  if (has_only_unplannable(output)) return;
  const SubPlanLimits limits = limits_of(running.input());
  const Time start{std::chrono::microseconds(own_counter(output, "began_at"))};
  const Duration elapsed = running.clock().now() - start;
  const bool is_over = limits.distribution && elapsed >= limits.distribution->span;

  std::size_t budget = std::clamp<std::size_t>(batch_size(), 1, kMaxSubPlans);
  const auto free_now = [&] {
    const std::size_t left = size_of(remaining(output));
    if (is_over) return left;
    const std::size_t started = size_of(counter(output, kPlanned) - own_counter(output, "unplannable"));
    return tickets_of(limits, elapsed, started, size_of(in_work(output))).get(left);
  };
  // Those that could not be planned gave their tickets back.
  for (std::size_t more = std::min(budget, free_now()); more > 0; more = std::min(budget, free_now())) {
    if (!make(running, more, is_over ? kWindowOver : std::string_view())) return;
    budget -= more;
  }
  if (remaining(output) == 0 || has_only_unplannable(output)) return;
  if (free_now() > 0) return wake(running, Duration::zero());
  if (!limits.distribution) return;
  const Duration interval = std::max<Duration>(limits.distribution->interval, std::chrono::milliseconds(1));
  const Duration to_end = limits.distribution->span - elapsed;
  wake(running, std::min<Duration>(to_end, interval * (elapsed / interval + 1) - elapsed));
}

bool WithSubPlans::make(Running& running, std::size_t count, std::string_view refusal) {
  Json& output = running.output();
  std::vector<PlanRequest> requests = batch(running, size_of(counter(output, kPlanned)), count);
  if (requests.size() != count) {
    throw ActionError("RuntimeError", "batch() made " + std::to_string(requests.size()) + " requests, not " + std::to_string(count));
  }
  for (PlanRequest& request : requests) request.refusal = refusal;
  const auto planned = running.plan_sub_plans(std::move(requests));
  if (!planned.ok()) {
    const Code code = planned.error().code();
    // The next world goes on.
    if (code == Code::kClosed) return false;
    if (code != Code::kBusy && code != Code::kUnavailable) throw ActionError("RuntimeError", "sub-plans cannot be made: " + planned.error().message());
    wake(running, kBusyRetry);
    return false;
  }
  const auto failed = std::count_if(planned->begin(), planned->end(), [](const Planned& one) { return one.error.has_value(); });
  add(output, kPlanned, static_cast<std::int64_t>(count));
  add(output, kFailed, failed);
  has_made_ = true;
  if (refusal.empty()) add(output[kOwn], "unplannable", failed);
  return true;
}

// One timer counts, the earliest; what another one does is ignored.
void WithSubPlans::wake(Running& running, Duration after) {
  Json& own = running.output()[kOwn];
  const double at = to_unix_seconds(running.clock().now()) + to_seconds(after);
  const Json* timer = json::find(own, "wake");
  if (timer != nullptr && (*timer)["at"].get<double>() <= at) return;
  add(own, "timers", 1);
  own["wake"] = Json{{"number", counter(own, "timers")}, {"at", at}};
  running.plan_event({std::string(kNextBatch), own["wake"]["number"]}, after);
}

std::vector<PlanRequest> WithSubPlans::create_sub_plans(Running&) { return {}; }

std::size_t WithSubPlans::total_count(Running& running) { return create_sub_plans(running).size(); }

std::vector<PlanRequest> WithSubPlans::batch(Running& running, std::size_t from, std::size_t size) {
  std::vector<PlanRequest> all = create_sub_plans(running);
  const std::size_t begin = std::min(from, all.size());
  const std::size_t end = std::min(begin + size, all.size());
  return {std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(begin)),
          std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(end))};
}

void WithSubPlans::on_finish(Running&) {}

Progress WithSubPlans::run_progress(const Json&, const Json& output) const {
  const std::int64_t total = counter(output, kTotal);
  if (total <= 0) return {0.1, 1};
  return {static_cast<double>(ended_count(output)) / static_cast<double>(total), 1};
}

ActionClass sub_plans_class(std::string name, std::function<std::unique_ptr<Action>()> make) {
  ActionClass made;
  made.name = std::move(name);
  made.has_run = true;
  made.takes_events = true;
  made.is_cancellable = true;
  made.listens_to_sub_plans = true;
  made.is_pure = true;
  made.is_presented_as_stored = true;
  made.make = std::move(make);
  return made;
}

}  // namespace dynflow::engine
