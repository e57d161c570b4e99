#include <catch2/catch.hpp>
#include <limits>

#include "shared/json/json.h"

namespace dynflow::json {
namespace {

std::string dumped_double(double value) {
  std::string out;
  dump_double_to(out, value);
  return out;
}

std::string dumped_string(std::string_view text) {
  std::string out;
  dump_string_to(out, text);
  return out;
}

TEST_CASE("floats look as Ruby's Float#to_s writes them") {
  struct Row {
    double value;
    std::string_view text;
  };
  const Row row = GENERATE(
      Row{0.0, "0.0"}, Row{-0.0, "-0.0"}, Row{1, "1.0"}, Row{100, "100.0"}, Row{-2.5, "-2.5"}, Row{0.1, "0.1"},
      Row{123.456, "123.456"}, Row{0.001, "0.001"}, Row{0.0001, "0.0001"}, Row{0.00012345, "0.00012345"},
      Row{0.00001, "1.0e-05"}, Row{1e-7, "1.0e-07"}, Row{1.25e-10, "1.25e-10"}, Row{1e15, "1000000000000000.0"},
      Row{9999999999999998.0, "9999999999999998.0"}, Row{1e16, "1.0e+16"}, Row{1e20, "1.0e+20"},
      Row{1.5e300, "1.5e+300"}, Row{5e-324, "5.0e-324"}, Row{1600000000.0, "1600000000.0"},
      Row{1795330345.52, "1795330345.52"}, Row{1.7976931348623157e308, "1.7976931348623157e+308"},
      Row{std::numeric_limits<double>::infinity(), "null"}, Row{-std::numeric_limits<double>::infinity(), "null"},
      Row{std::numeric_limits<double>::quiet_NaN(), "null"});
  CHECK(dumped_double(row.value) == row.text);
}

TEST_CASE("strings are escaped as Ruby's json gem does") {
  struct Row {
    std::string text;
    std::string_view json;
  };
  const Row row = GENERATE(
      Row{"", R"("")"}, Row{"plain", R"("plain")"}, Row{"a\"b\\c/d", R"("a\"b\\c/d")"},
      Row{"\b\f\n\r\t", R"("\b\f\n\r\t")"}, Row{std::string("\0\x01\x1b\x1f", 4), "\"\\u0000\\u0001\\u001b\\u001f\""},
      Row{"\x7f", "\"\x7f\""}, Row{"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
      Row{"a\xFFz", "\"a\xEF\xBF\xBDz\""}, Row{"\xE2\x82", "\"\xEF\xBF\xBD\""},
      Row{"\xE2\x82\"", "\"\xEF\xBF\xBD\\\"\""}, Row{"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
      Row{"<&>", R"("<&>")"});
  CHECK(dumped_string(row.text) == row.json);
}

TEST_CASE("documents are compact and keep the order of keys") {
  Json value = Json::object();
  value["z"] = 1;
  value["a"] = Json::array({nullptr, true, false, -7, 18446744073709551615u, 1.0, "x"});
  value["e"] = Json::object();
  value["l"] = Json::array();
  CHECK(dump(value) == R"({"z":1,"a":[null,true,false,-7,18446744073709551615,1.0,"x"],"e":{},"l":[]})");
  CHECK(dump(Json::binary({1, 2})) == "null");

  std::string out = "x=";
  dump_to(out, Json(5));
  CHECK(out == "x=5");
}

TEST_CASE("a value nested too deeply is cut, not a crash") {
  Json value = 1;
  for (int i = 0; i < 1500; ++i) value = Json::array({std::move(value)});
  const std::string text = dump(value);
  CHECK(text == std::string(1000, '[') + "null" + std::string(1000, ']'));
}

}  // namespace
}  // namespace dynflow::json
