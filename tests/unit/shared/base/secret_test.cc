#include "shared/base/secret.h"

#include <catch2/catch.hpp>

#include <type_traits>

using namespace dynflow;

static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);

TEST_CASE("secrets move and compare") {
  Secret a("hunter2");
  Secret b = a;
  CHECK(a == b);
  Secret c = std::move(b);
  CHECK(c.reveal() == "hunter2");
  CHECK(b.empty());  // NOLINT: what moved-from means here is the point
  CHECK_FALSE(c == Secret("hunter3"));
  CHECK_FALSE(c == Secret("hunter22"));
}
