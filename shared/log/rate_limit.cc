#include "shared/log/rate_limit.h"

#include <utility>

namespace dynflow::log {

std::optional<std::uint64_t> RateLimit::admit() {
  const Instant now = clock_.instant();
  const std::lock_guard lock(mutex_);
  if (!window_start_ || now - *window_start_ >= window_) {
    window_start_ = now;
    admitted_ = 0;
  }
  if (admitted_ >= burst_) {
    ++held_back_;
    return std::nullopt;
  }
  ++admitted_;
  return std::exchange(held_back_, 0);
}

std::string held_back_note(std::uint64_t held_back) {
  return held_back == 0 ? std::string() : " (" + std::to_string(held_back) + " similar messages held back)";
}

}  // namespace dynflow::log
