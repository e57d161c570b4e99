#include "shared/metrics/numbers.h"

#include <catch2/catch.hpp>

#include "shared/base/thread.h"

using namespace dynflow;
using namespace dynflow::metrics;

TEST_CASE("a histogram counts each time once, in every bucket that it fits") {
  Histogram histogram(kLong);
  CHECK(histogram.view().count == 0);
  for (const double seconds : {0.005, 0.01, 0.5, 59.0, 60.0, 1e6, -1.0}) histogram.observe(seconds);
  histogram.observe(std::chrono::milliseconds(250));
  const Histogram::View view = histogram.view();
  CHECK(view.below == std::vector<std::uint64_t>{3, 3, 5, 5, 5, 7, 7, 7, 7, 7});  // a bound belongs to its bucket
  CHECK(view.count == 8);
  CHECK(view.sum == Approx(0.005 + 0.01 + 0.5 + 59 + 60 + 1e6 + 0.25));
}

TEST_CASE("nothing is lost when many count") {
  Counter counter;
  Histogram histogram(kQuick);
  {
    std::vector<NamedThread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back("count", [&] {
        for (int n = 0; n < 10'000; ++n) {
          counter.add(2);
          histogram.observe(0.002);
        }
      });
    }
  }
  CHECK(counter.value() == 80'000);
  CHECK(histogram.view().count == 40'000);
  CHECK(histogram.view().sum == Approx(80));
}
