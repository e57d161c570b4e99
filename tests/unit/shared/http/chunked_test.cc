#include "shared/http/chunked.h"

#include <catch2/catch.hpp>

#include "shared/http/body_framing.h"

using namespace dynflow;
using namespace dynflow::http;

namespace {

struct Decoded {
  std::string body;
  std::string error;  // the code's name, empty when there was none
  bool is_complete = false;
  std::size_t consumed = 0;
};

// Decodes `text`, given in pieces of `piece` bytes, taking at most `limit` body bytes a step.
Decoded decode(std::string_view text, std::size_t piece, std::size_t limit = 1000) {
  ChunkedDecoder decoder;
  Decoded result;
  std::size_t end = 0;
  while (!decoder.is_complete()) {
    if (result.consumed == end) {
      if (end == text.size()) break;
      end = std::min(text.size(), end + piece);
    }
    auto step = decoder.step(text.substr(result.consumed, end - result.consumed), limit);
    if (!step) {
      result.error = to_string(step.error().code());
      return result;
    }
    result.body += step->data;
    result.consumed += step->consumed;
  }
  result.is_complete = decoder.is_complete();
  return result;
}

}  // namespace

TEST_CASE("chunks come out the same however they arrive") {
  const std::string text = "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nTrailer: x\r\n\r\nGET /";
  const std::size_t piece = GENERATE(1u, 2u, 3u, 7u, 100u);
  const std::size_t limit = GENERATE(1u, 4u, 1000u);
  const Decoded decoded = decode(text, piece, limit);
  CHECK(decoded.error.empty());
  CHECK(decoded.is_complete);
  CHECK(decoded.body == "hello world");
  CHECK(text.substr(decoded.consumed) == "GET /");
}

TEST_CASE("what is not exactly the coding is an error") {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"-2\r\nab", "invalid"},
      {"+2\r\nab", "invalid"},
      {" 2\r\nab", "invalid"},
      {"2 \r\nab", "invalid"},
      {"0x2\r\nab", "invalid"},
      {"\r\nab", "invalid"},
      {";a\r\nab", "invalid"},
      {"2\nab", "invalid"},
      {"2\r\r\nab", "invalid"},
      {"2\r\nabc\r\n", "invalid"},
      {"2\r\nab\n0\r\n\r\n", "invalid"},
      {"2\r\nab\r0\r\n\r\n", "invalid"},
      {"2;a\x01\r\nab", "invalid"},
      {"0\r\nA: b\n\r\n", "invalid"},
      {"0\r\n\rX", "invalid"},
      {"ffffffffffffffff\r\nab", "too_large"},
      {"0000000000002\r\nab", "too_large"},
      {"2;" + std::string(20'000, 'a') + "\r\nab", "too_large"},
      {"0\r\n" + std::string(20'000, 'a') + "\r\n\r\n", "too_large"},
  };
  for (const auto& [text, error] : rows) {
    CAPTURE(text.substr(0, 40));
    CHECK(decode(text, 1).error == error);
    CHECK(decode(text, text.size()).error == error);
  }
}

TEST_CASE("extensions are bounded over all chunks together") {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "1;aa\r\nx\r\n";
  CHECK(decode(text, text.size()).error == "too_large");
}

TEST_CASE("a body that is cut short is not complete") {
  CHECK_FALSE(decode("5\r\nhel", 100).is_complete);
  CHECK_FALSE(decode("5\r\nhello\r\n0\r\n", 100).is_complete);
}

TEST_CASE("framing ends bodies where they end") {
  char buffer[16];
  BodyFraming none;
  CHECK(none.is_complete());
  BodyFraming length(BodyKind::kLength, 3);
  auto step = length.take("abcdef", buffer);
  REQUIRE(step);
  CHECK(step->consumed == 3);
  CHECK(length.is_complete());
  BodyFraming cut(BodyKind::kLength, 3);
  CHECK_FALSE(cut.end_of_input());
  BodyFraming open(BodyKind::kUntilClose, 0);
  REQUIRE(open.take("abc", buffer));
  CHECK_FALSE(open.is_complete());
  CHECK(open.end_of_input());
  CHECK(open.is_complete());
  BodyFraming chunked(BodyKind::kChunked, 0);
  auto two = chunked.take("2\r\nab\r\n0\r\n\r\nrest", std::span(buffer).first(2));
  REQUIRE(two);
  CHECK(two->produced == 2);
  CHECK_FALSE(chunked.is_complete());
  REQUIRE(chunked.take("\r\n0\r\n\r\nrest", buffer));
  CHECK(chunked.is_complete());
}
