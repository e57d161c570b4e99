#include <catch2/catch.hpp>

#include "shared/json/json.h"

namespace dynflow::json {
namespace {

TEST_CASE("member access neither inserts nor throws") {
  const Json object = parse(R"({"s":"text","b":true,"i":-5,"u":18446744073709551615,"f":1.5,"n":null})").value();
  REQUIRE(find(object, "s") != nullptr);
  CHECK(*find(object, "s") == "text");
  CHECK(find(object, "n")->is_null());
  CHECK(find(object, "missing") == nullptr);
  CHECK(find(Json::array({1, 2}), "s") == nullptr);
  CHECK(find(Json("s"), "s") == nullptr);

  CHECK(get_string(object, "s") == "text");
  CHECK(get_string(object, "i", "other") == "other");
  CHECK(get_string(Json(), "s", "other") == "other");
  CHECK(get_bool(object, "b", false));
  CHECK(get_bool(object, "s", true));
  CHECK(get_int(object, "i", 7) == -5);
  CHECK(get_int(object, "u", 7) == 7);
  CHECK(get_int(object, "f", 7) == 7);
  CHECK(get_int(object, "missing", 7) == 7);
}

}  // namespace
}  // namespace dynflow::json
