#include <utility>

#include "shared/engine/execution.h"
#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::EventRecord;
using persistence::WriteBatch;

// Timers are rows, and so is whatever the next world counts on instead of running the step again.
void Execution::plan_event(int step_id, Event event, Duration after) {
  const ActionClass* action_class = class_of_step(step_id);
  const bool is_later = after > Duration::zero();
  if (!is_later && !(action_class && action_class->rearms_timers)) return deliver(step_id, {std::move(event), {}});
  if (step(step_id).state != StepState::kSuspended) {
    log::debug({.task_id = plan_.id}, "step {} ended before event {}", step_id, event.name);
    return;
  }
  const Time now = clock().now();
  EventRecord row{surroundings_.options.ids->uuid(), plan_.id, step_id, event.name, json::dump(event.data), now, {}};
  if (is_later) row.due_at = now + std::chrono::ceil<Time::duration>(after);
  pending_.rows.add(WriteBatch::PutEvent{row});
  seen_events_.add(row.id);
  if (is_later) return arm(row);
  deliver(step_id, {std::move(event), std::move(row.id)});
}

void Execution::arm(const EventRecord& event) {
  auto data = json::parse(event.data);
  const Instant when = clock().instant() + (*event.due_at - clock().now());
  const auto timer = surroundings_.options.scheduler->post_at(
      when, [weak = weak_from_this(), step_id = event.step_id,
             delivery = Delivery{{event.name, data.ok() ? std::move(*data) : Json()}, event.id}]() mutable {
        const auto self = weak.lock();
        if (!self) return;
        self->strand_->post([self, step_id, delivery = std::move(delivery)]() mutable {
          self->timer_fired(step_id, std::move(delivery));
        });
      });
  open_steps_[event.step_id].timers.emplace_back(event.id, timer);
}

void Execution::timer_fired(int step_id, Delivery delivery) {
  const auto open = open_steps_.find(step_id);
  if (open == open_steps_.end()) return;  // it ended meanwhile, and the row is gone
  auto& timers = open->second.timers;
  for (auto timer = timers.begin(); timer != timers.end(); ++timer) {
    if (timer->first != delivery.durable_id) continue;
    timers.erase(timer);
    deliver(step_id, std::move(delivery));
    return pump();
  }
}

bool Execution::has_stored_event(int step_id) const { return steps_with_events_.count(step_id) > 0; }

void Execution::forget_event(std::string id) {
  seen_events_.handled(id);
  pending_.rows.add(WriteBatch::DeleteEvent{std::move(id)});
}

void Execution::deliver_waiting(std::vector<EventRecord> events) {
  for (EventRecord& event : events) {
    if (!seen_events_.add(event.id)) continue;
    if (event.due_at) {
      // A step that was run again with no event makes its timers anew.
      const bool is_rearmed = accepts_events(event.step_id) && class_of_step(event.step_id)->rearms_timers &&
                              open_steps_[event.step_id].before == StepState::kSuspended;
      if (!is_rearmed) {
        forget_event(std::move(event.id));
        continue;
      }
      if (*event.due_at > clock().now()) {
        arm(event);
        continue;
      }
    }
    auto data = json::parse(event.data);
    deliver(event.step_id, {{std::move(event.name), data.ok() ? std::move(*data) : Json()}, std::move(event.id)});
  }
  steps_with_events_.clear();
}

void Execution::deliver_stored(EventRecord event) {
  strand_->post([self = shared_from_this(), event = std::move(event)]() mutable {
    // A plan that has ended leaves the row to its next execution. A timer is armed here already.
    if (self->has_ended_ || event.due_at || !self->seen_events_.add(event.id)) return;
    auto data = json::parse(event.data);
    self->deliver(event.step_id, {{std::move(event.name), data.ok() ? std::move(*data) : Json()}, std::move(event.id)});
    self->pump();
  });
}

}  // namespace dynflow::engine
