#include <catch2/catch.hpp>

#include "shared/json/json.h"

namespace dynflow::json {
namespace {

TEST_CASE("valid documents") {
  struct Row {
    std::string_view text;
    std::string_view again;
  };
  const Row row = GENERATE(
      Row{"null", "null"}, Row{" true ", "true"}, Row{"-0", "0"}, Row{"-0.0", "-0.0"}, Row{"12", "12"},
      Row{"9223372036854775807", "9223372036854775807"}, Row{"18446744073709551615", "18446744073709551615"},
      Row{"18446744073709551616", "1.8446744073709552e+19"}, Row{"-9223372036854775808", "-9223372036854775808"},
      Row{"-9223372036854775809", "-9.223372036854776e+18"}, Row{"1e2", "100.0"}, Row{"1.10", "1.1"},
      Row{R"("\u0041\u00e9\ud83d\ude00\/")", "\"A\xC3\xA9\xF0\x9F\x98\x80/\""}, Row{R"("\u0000")", R"("\u0000")"},
      Row{"[1,[2,{}],[]]", "[1,[2,{}],[]]"}, Row{R"({"b":1,"a":{"c":[]}})", R"({"b":1,"a":{"c":[]}})"},
      Row{R"({"":1})", R"({"":1})"}, Row{R"({"a":1,"b":2,"a":3})", R"({"a":3,"b":2})"},
      Row{R"({"a":1,"a":{"x":1},"a":[2]})", R"({"a":[2]})"});
  const auto parsed = parse(row.text);
  REQUIRE(parsed.ok());
  CHECK(dump(*parsed) == row.again);
}

TEST_CASE("what is not JSON is refused with a place and without an echo") {
  const std::string text = GENERATE(
      as<std::string>{}, "", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "'a'", "[1 2]", "nul", "01", "1.", ".5", "+1", "NaN",
      "Infinity", "\"a\nb\"", "\"\\x41\"", "\"\\ud800\"", "\"\xFF\"", "\"\xED\xA0\x80\"", "\xC3\xA9", "1 2", "[]]",
      "/*c*/1", "1e400", "\xEF\xBB\xBF{}", std::string("1\0", 2), std::string("{}\0{", 4), "{\"\xFF\":1}");
  const auto parsed = parse(text);
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.error().code() == Code::kInvalid);
  CHECK(parsed.error().message().rfind("not JSON", 0) == 0);
  CHECK(parsed.error().message().find('\xFF') == std::string::npos);
}

TEST_CASE("an error text says where and stays short") {
  CHECK(parse("{\"a\":\n x}").error().message() ==
        "not JSON: parse error at line 2, column 2: syntax error while parsing value - invalid literal");
  CHECK(parse("{" + std::string(100'000, 'x')).error().message().size() < 260);
  CHECK(parse(std::string(100'000, '9')).error().message().size() < 260);
}

TEST_CASE("limits") {
  Limits limits;
  limits.bytes = 1000;
  limits.depth = 3;
  limits.keys = 4;
  limits.values = 6;

  CHECK(parse("[[[1]]]", limits).ok());
  CHECK(parse("[[[[1]]]]", limits).error().code() == Code::kUnprocessable);
  CHECK(parse(R"({"a":{"b":[{}]}})", limits).error().code() == Code::kUnprocessable);
  CHECK(parse(R"({"a":1,"b":2,"c":3,"d":4})", limits).ok());
  CHECK(parse(R"({"a":1,"b":2,"c":3,"d":4,"e":5})", limits).error().message() ==
        "too many keys in one object (limit 4)");
  CHECK(parse("[1,2,3,4,5]", limits).ok());
  CHECK(parse("[1,2,3,4,5,6]", limits).error().code() == Code::kUnprocessable);
  CHECK(parse('"' + std::string(998, 'x') + '"', limits).ok());
  CHECK(parse('"' + std::string(999, 'x') + '"', limits).error().code() == Code::kTooLarge);
}

TEST_CASE("five million brackets are an error, not a crash") {
  CHECK(parse(std::string(5'000'000, '[')).error().code() == Code::kUnprocessable);
}

TEST_CASE("big objects keep their order and drop duplicates") {
  std::string text = "{";
  for (int i = 0; i < 10'000; ++i) text += "\"k" + std::to_string(9'999 - i) + "\":" + std::to_string(i) + ",";
  text += "\"k9999\":\"again\",\"k5\":\"again\"}";
  const auto parsed = parse(text);
  REQUIRE(parsed.ok());
  REQUIRE(parsed->size() == 10'000);
  CHECK(parsed->begin().key() == "k9999");
  CHECK(parsed->begin().value() == "again");
  CHECK(get_string(*parsed, "k5") == "again");
  CHECK(get_int(*parsed, "k6", -1) == 9'993);
}

}  // namespace
}  // namespace dynflow::json
