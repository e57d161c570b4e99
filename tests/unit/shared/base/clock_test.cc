#include "shared/base/clock.h"

#include <catch2/catch.hpp>

#include "shared/base/deadline.h"

using namespace dynflow;
using namespace std::chrono_literals;

TEST_CASE("times are written as Dynflow writes them") {
  CHECK(dynflow_time(Time(1795330348146999us)) == "2026-11-22 06:52:28.146");
  CHECK(dynflow_time(Time(0us)) == "1970-01-01 00:00:00.000");
  CHECK(dynflow_time(Time(-1us)) == "1969-12-31 23:59:59.999");
}

TEST_CASE("times are read with and without milliseconds") {
  CHECK(parse_dynflow_time("2026-11-22 06:52:28.146") == Time(1795330348146000us));
  CHECK(parse_dynflow_time("2026-11-22 06:52:28") == Time(1795330348000000us));
  CHECK_FALSE(parse_dynflow_time("yesterday"));
  CHECK_FALSE(parse_dynflow_time("2026-11-22 06:52:28Z"));
  CHECK_FALSE(parse_dynflow_time("2026-02-31 06:52:28"));
  CHECK_FALSE(parse_dynflow_time("2026-11-22 6:52:28"));
  CHECK_FALSE(parse_dynflow_time("2026-11-22 -6:52:28"));
  CHECK_FALSE(parse_dynflow_time("2026-11-22 06:52:28.5"));
  CHECK_FALSE(parse_dynflow_time("2026-11-22 06:52:28.146 "));
}

TEST_CASE("a deadline passes when its clock says so") {
  VirtualClock clock;
  const Deadline deadline = Deadline::after(2s, clock);
  CHECK(deadline.left_ms() == 2000);
  clock.advance(1999ms + 1us);
  CHECK_FALSE(deadline.has_passed());
  CHECK(deadline.left_ms() == 1);
  clock.advance(1ms);
  CHECK(deadline.has_passed());
  CHECK(deadline.left_ms() == 0);
}
