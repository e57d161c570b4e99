// Plans that have just ended here, so that reporting them does not read from the store what was written a moment ago.
//
// Each is kept until it is taken, for a while, and as long as there is room: whoever does not find a plan asks the store.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "shared/base/clock.h"
#include "shared/persistence/records.h"

namespace dynflow::callback {

struct EndedPlansOptions {
  std::size_t max_plans = 4000;
  std::size_t max_bytes = 16 * 1024 * 1024;  // of inputs and outputs
  std::chrono::seconds max_age{60};
};

class EndedPlans {
 public:
  // `clock` outlives it.
  explicit EndedPlans(const Clock& clock, EndedPlansOptions options = {}) : clock_(clock), options_(options) {}

  // A plan that nobody changes any more. Without effect where there is no room.
  void keep(const persistence::PlanRecord& plan);
  // It may be changed after all, or by others.
  void forget(const std::string& plan_id);
  // Null: it is not here. It is not here afterwards.
  std::shared_ptr<const persistence::PlanRecord> take(const std::string& plan_id);

 private:
  struct Entry {
    std::shared_ptr<const persistence::PlanRecord> plan;
    std::size_t bytes = 0;
    Instant kept_at{};
  };
  using Entries = std::list<Entry>;

  std::shared_ptr<const persistence::PlanRecord> remove(Entries::iterator entry);

  const Clock& clock_;
  const EndedPlansOptions options_;
  std::mutex mutex_;
  Entries entries_;  // the oldest first
  std::unordered_map<std::string, Entries::iterator> by_id_;
  std::size_t bytes_ = 0;
};

}  // namespace dynflow::callback
