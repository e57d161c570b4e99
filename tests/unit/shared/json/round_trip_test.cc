#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "shared/json/json.h"

namespace dynflow::json {
namespace {

using Random = std::mt19937_64;

std::string random_text(Random& random) {
  static const std::vector<std::string> pieces = {"a", "\"", "\\", "\n", "\x01", "\xC3\xA9", "\xF0\x9F\x98\x80", " ",
                                                  std::string(1, '\0'), "/", "\x7f", "{", "\xEF\xBF\xBD"};
  std::string text;
  for (auto left = random() % 12; left > 0; --left) text += pieces[random() % pieces.size()];
  return text;
}

double random_double(Random& random) {
  for (;;) {
    const double value = std::bit_cast<double>(random());
    if (std::isfinite(value)) return value;
  }
}

Json random_value(Random& random, int depth) {
  switch (random() % (depth > 4 ? 6 : 8)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<std::int64_t>(random());
    case 3:
      return random();
    case 4:
      return random_double(random);
    case 5:
      return random_text(random);
    case 6: {
      Json array = Json::array();
      for (auto left = random() % 6; left > 0; --left) array.push_back(random_value(random, depth + 1));
      return array;
    }
    default: {
      Json object = Json::object();
      for (auto left = random() % 30; left > 0; --left) object[random_text(random)] = random_value(random, depth + 1);
      return object;
    }
  }
}

TEST_CASE("what is dumped parses to the same value") {
  Random random(20'261'122);
  for (int i = 0; i < 500; ++i) {
    const Json value = random_value(random, 0);
    const std::string text = dump(value);
    const auto parsed = parse(text);
    INFO(text);
    REQUIRE(parsed.ok());
    REQUIRE(*parsed == value);
    REQUIRE(dump(*parsed) == text);
  }
}

TEST_CASE("every double keeps its bits") {
  Random random(7);
  for (int i = 0; i < 20'000; ++i) {
    const double value = random_double(random);
    std::string text;
    dump_double_to(text, value);
    const auto parsed = parse(text);
    REQUIRE(parsed.ok());
    REQUIRE(parsed->is_number_float());
    REQUIRE(std::bit_cast<std::uint64_t>(parsed->get<double>()) == std::bit_cast<std::uint64_t>(value));
  }
}

TEST_CASE("any bytes dump to a valid document") {
  Random random(8);
  for (int i = 0; i < 2'000; ++i) {
    std::string bytes;
    for (auto left = random() % 40; left > 0; --left) bytes += static_cast<char>(random());
    REQUIRE(parse(dump(Json(bytes))).ok());
  }
}

}  // namespace
}  // namespace dynflow::json
