#include "shared/metrics/numbers.h"

#include <algorithm>

namespace dynflow::metrics {

void Histogram::observe(double seconds) {
  // A clock that was set back makes no negative times.
  seconds = std::max(0.0, seconds);
  const auto bucket = static_cast<std::size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), seconds) - bounds_.begin());
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  nanoseconds_.fetch_add(static_cast<std::uint64_t>(seconds * 1e9), std::memory_order_relaxed);
}

Histogram::View Histogram::view() const {
  View view;
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    view.count += buckets_[i].load(std::memory_order_relaxed);
    view.below.push_back(view.count);
  }
  view.count += buckets_[bounds_.size()].load(std::memory_order_relaxed);
  view.sum = static_cast<double>(nanoseconds_.load(std::memory_order_relaxed)) / 1e9;
  return view;
}

}  // namespace dynflow::metrics
