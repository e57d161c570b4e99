#include "shared/base/letter_case.h"

#include <catch2/catch.hpp>

using namespace dynflow;

TEST_CASE("letters of ASCII lose their case, other bytes stay") {
  CHECK(lower_case("Foreman.EXAMPLE.com:9090") == "foreman.example.com:9090");
  CHECK(lower_case("@[`{AZaz") == "@[`{azaz");
  CHECK(lower_case("\xc3\x84\xc3\xa4") == "\xc3\x84\xc3\xa4");
  CHECK(lower_case(std::string_view("A\0B", 3)) == std::string_view("a\0b", 3));
  CHECK(lower_case("").empty());
  static_assert(lower_case('Q') == 'q' && lower_case('q') == 'q' && lower_case('[') == '[');
}
