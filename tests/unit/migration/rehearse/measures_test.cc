#include "migration/rehearse/measures.h"

#include <unistd.h>

#include <catch2/catch.hpp>

namespace dynflow::migration {
namespace {

TEST_CASE("A percentile is the value at the nearest rank") {
  CHECK(percentile({}, 0.5) == 0);
  CHECK(percentile({7}, 0.99) == 7);
  CHECK(percentile({4, 1, 3, 2}, 0.5) == 2);
  CHECK(percentile({4, 1, 3, 2}, 0.51) == 3);
  CHECK(percentile({4, 1, 3, 2}, 0) == 1);
  CHECK(percentile({4, 1, 3, 2}, 1) == 4);
}

TEST_CASE("The cost of a process grows with what it does") {
  const auto before = cost_of(::getpid());
  REQUIRE(before.ok());
  CHECK(before->memory_kib > 0);
  volatile double sum = 0;
  for (int i = 0; i < 2'000'000; ++i) sum = sum + i;
  const auto after = cost_of(::getpid());
  REQUIRE(after.ok());
  CHECK(after->cpu_seconds > before->cpu_seconds);
}

TEST_CASE("A process that is not there has no cost") {  // above the largest number that Linux gives
  const auto cost = cost_of(4'194'305);
  REQUIRE_FALSE(cost.ok());
  CHECK(cost.error().code() == Code::kNotFound);
}

}  // namespace
}  // namespace dynflow::migration
