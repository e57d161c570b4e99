// Which durable events a plan in work has got, so that it gets none twice: a row may be read again while its deletion is on its way.
//
// Threads: used on the plan's strand.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace dynflow::engine {

class SeenEvents {
 public:
  // False: it was seen.
  bool add(const std::string& id) { return ids_.insert(id).second; }
  // Its row is being deleted. Remembered until many more were: longer than a read takes.
  void handled(std::string id) {
    if (recent_.size() < kRemembered) return recent_.push_back(std::move(id));
    ids_.erase(recent_[oldest_]);
    recent_[oldest_] = std::move(id);
    oldest_ = (oldest_ + 1) % kRemembered;
  }

 private:
  static constexpr std::size_t kRemembered = 256;

  std::unordered_set<std::string> ids_;
  std::vector<std::string> recent_;  // a ring once it is full
  std::size_t oldest_ = 0;
};

}  // namespace dynflow::engine
