#include "shared/log/rate_limit.h"

#include <catch2/catch.hpp>

namespace dynflow::log {
namespace {

using std::chrono::seconds;

TEST_CASE("a burst passes, the rest is counted until the window is over") {
  VirtualClock clock;
  RateLimit limit(2, seconds(10), clock);
  CHECK(limit.admit() == 0u);
  CHECK(limit.admit() == 0u);
  CHECK_FALSE(limit.admit().has_value());
  clock.advance(seconds(9));
  CHECK_FALSE(limit.admit().has_value());
  clock.advance(seconds(1));
  CHECK(limit.admit() == 2u);
  CHECK(limit.admit() == 0u);
  CHECK_FALSE(limit.admit().has_value());
  clock.advance(seconds(60));
  CHECK(limit.admit() == 1u);
}

TEST_CASE("the note about held back messages") {
  CHECK(held_back_note(0).empty());
  CHECK(held_back_note(3) == " (3 similar messages held back)");
}

}  // namespace
}  // namespace dynflow::log
