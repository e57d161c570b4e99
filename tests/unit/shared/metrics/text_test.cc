#include "shared/metrics/text.h"

#include <catch2/catch.hpp>

#include <limits>

using namespace dynflow::metrics;

TEST_CASE("families and samples are written as Prometheus reads them") {
  Text text;
  text.single("x_total", Kind::kCounter, "All of it.", 3);
  text.family("y", Kind::kGauge, "Some.").sample({{"state", "a\"b\\c\nd"}, {"z", ""}}, 0.25).sample({}, std::numeric_limits<double>::infinity());
  text.sample({}, std::numeric_limits<double>::quiet_NaN()).sample({}, 1e21);
  CHECK(text.take() ==
        "# HELP x_total All of it.\n# TYPE x_total counter\nx_total 3\n"
        "# HELP y Some.\n# TYPE y gauge\ny{state=\"a\\\"b\\\\c\\nd\",z=\"\"} 0.25\ny +Inf\ny NaN\ny 1e+21\n");
}

TEST_CASE("a histogram is written with all its buckets") {
  static constexpr std::array<double, 2> kBounds{0.5, 2};
  Histogram histogram(kBounds);
  histogram.observe(0.25);
  histogram.observe(5.0);
  Text text;
  text.family("t_seconds", Kind::kHistogram, "Times.").sample({{"phase", "Run"}}, histogram);
  CHECK(text.take() ==
        "# HELP t_seconds Times.\n# TYPE t_seconds histogram\n"
        "t_seconds_bucket{phase=\"Run\",le=\"0.5\"} 1\nt_seconds_bucket{phase=\"Run\",le=\"2\"} 1\n"
        "t_seconds_bucket{phase=\"Run\",le=\"+Inf\"} 2\nt_seconds_sum{phase=\"Run\"} 5.25\nt_seconds_count{phase=\"Run\"} 2\n");
}
