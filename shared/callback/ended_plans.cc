#include "shared/callback/ended_plans.h"

#include <utility>

namespace dynflow::callback {

using persistence::PlanRecord;

namespace {

std::size_t bytes_of(const PlanRecord& plan) {
  std::size_t total = 0;
  for (const persistence::ActionRecord& action : plan.actions) total += action.input.size() + action.output.size();
  return total;
}

}  // namespace

void EndedPlans::keep(const PlanRecord& plan) {
  const std::size_t bytes = bytes_of(plan);
  const Instant now = clock_.instant();
  {
    const std::lock_guard lock(mutex_);
    while (!entries_.empty() && now - entries_.front().kept_at > options_.max_age) remove(entries_.begin());
    if (const auto known = by_id_.find(plan.id); known != by_id_.end()) remove(known->second);
    if (entries_.size() >= options_.max_plans || bytes_ + bytes > options_.max_bytes) return;
  }
  auto copy = std::make_shared<const PlanRecord>(plan);
  const std::lock_guard lock(mutex_);
  const auto [place, is_new] = by_id_.try_emplace(plan.id);
  if (!is_new) return;
  place->second = entries_.insert(entries_.end(), Entry{std::move(copy), bytes, now});
  bytes_ += bytes;
}

void EndedPlans::forget(const std::string& plan_id) { take(plan_id); }

std::shared_ptr<const PlanRecord> EndedPlans::take(const std::string& plan_id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(plan_id);
  return found == by_id_.end() ? nullptr : remove(found->second);
}

// Under mutex_.
std::shared_ptr<const PlanRecord> EndedPlans::remove(Entries::iterator entry) {
  auto plan = std::move(entry->plan);
  bytes_ -= entry->bytes;
  by_id_.erase(plan->id);
  entries_.erase(entry);
  return plan;
}

}  // namespace dynflow::callback
