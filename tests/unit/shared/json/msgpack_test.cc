#include <catch2/catch.hpp>

#include "shared/json/json.h"
#include "shared/json/msgpack.h"

namespace dynflow::json {
namespace {

std::string text_of(std::string_view bytes) {
  const Result<Json> value = parse_msgpack(bytes);
  return value.ok() ? dump(*value) : "error: " + value.error().message();
}

template <std::size_t size>
std::string bytes(const char (&literal)[size]) {
  return std::string(literal, size - 1);
}

TEST_CASE("MessagePack values become JSON values") {
  CHECK(text_of(bytes("\xc0")) == "null");
  CHECK(text_of(bytes("\x02")) == "2");
  CHECK(text_of(bytes("\xd1\xff\x00")) == "-256");
  CHECK(text_of(bytes("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00")) == "1.0");
  CHECK(text_of(bytes("\x93\xa1S\x03\x05")) == R"(["S",3,5])");
  CHECK(text_of(bytes("\x82\xa1" "a\xc3\xa1" "b\x80")) == R"({"a":true,"b":{}})");
}

TEST_CASE("MessagePack binary is text, whatever it holds") {
  CHECK(text_of(bytes("\xc4\x04host")) == R"("host")");
  CHECK(text_of(bytes("\xc4\x02\xff" "a")) == "\"\xEF\xBF\xBD" "a\"");
}

TEST_CASE("MessagePack times and dates are texts") {
  // 1700000000 = 2023-11-14 22:13:20 UTC, as 4 bytes, as 8 with half a second, and as 12.
  CHECK(text_of(bytes("\xd6\x00\x65\x53\xf1\x00")) == R"("2023-11-14 22:13:20 +0000")");
  CHECK(text_of(bytes("\xd7\x01\x77\x35\x94\x00\x65\x53\xf1\x00")) == R"("2023-11-14 22:13:20 +0000")");
  CHECK(text_of(bytes("\xc7\x0c\x02\x00\x00\x00\x00\x00\x00\x00\x00\x65\x53\xf1\x00")) == R"("2023-11-14 22:13:20 +0000")");
  CHECK(text_of(bytes("\xd6\x03\x65\x53\xf1\x00")) == R"("2023-11-14")");
}

TEST_CASE("MessagePack that is damaged or strange is refused") {
  CHECK(text_of(bytes("\x93\x01")).starts_with("error: not MessagePack"));
  CHECK(text_of("").starts_with("error: not MessagePack"));
  CHECK(text_of(bytes("\x01\x02")).starts_with("error: not MessagePack"));
  CHECK(text_of(bytes("\xc1")).starts_with("error: not MessagePack"));
  CHECK(text_of(bytes("\x81\x01\x02")).starts_with("error: not MessagePack"));
  CHECK(text_of(bytes("\xd6\x07\x65\x53\xf1\x00")) == "error: MessagePack extension type 7 is not known");
  CHECK(text_of(bytes("\xd4\x00\x01")) == "error: MessagePack extension type 0 is not known");
}

TEST_CASE("MessagePack has the limits of JSON text") {
  CHECK(parse_msgpack(std::string(101, '\x91') + "\x01").error().code() == Code::kUnprocessable);
  Limits few;
  few.values = 2;
  CHECK(parse_msgpack(bytes("\x93\x01\x02\x03"), few).error().code() == Code::kUnprocessable);
  few.bytes = 1;
  CHECK(parse_msgpack(bytes("\x91\x01"), few).error().code() == Code::kTooLarge);
  // It says four thousand million elements and has none.
  CHECK(parse_msgpack(bytes("\xdd\xff\xff\xff\xff")).error().code() == Code::kInvalid);
}

}  // namespace
}  // namespace dynflow::json
