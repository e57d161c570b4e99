// Holds back messages that outsiders can provoke.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "shared/base/clock.h"

namespace dynflow::log {

class RateLimit {
 public:
  // At most `burst` messages within each `window`, which starts with its first message.
  RateLimit(std::uint64_t burst, Duration window, const Clock& clock = system_clock())
      : clock_(clock), burst_(burst), window_(window) {}

  // Nothing: say nothing. Else how many messages were held back since the last one that was let through:
  //   if (const auto held_back = limit_.admit()) log::warn(ctx, "refused {}{}", peer, log::held_back_note(*held_back));
  [[nodiscard]] std::optional<std::uint64_t> admit();

 private:
  const Clock& clock_;
  const std::uint64_t burst_;
  const Duration window_;
  std::mutex mutex_;
  std::optional<Instant> window_start_;
  std::uint64_t admitted_ = 0;  // within the window
  std::uint64_t held_back_ = 0;
};

// Empty for 0, else " (N similar messages held back)".
std::string held_back_note(std::uint64_t held_back);

}  // namespace dynflow::log
