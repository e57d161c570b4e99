#include "shared/runner/output_decoder.h"

#include <catch2/catch.hpp>

#include <random>
#include <string>

#include "shared/base/utf8.h"

using dynflow::is_valid_utf8;
using dynflow::runner::OutputDecoder;

namespace {

std::string in_pieces(const std::string& bytes, std::size_t piece) {
  OutputDecoder decoder;
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += piece) text += decoder.feed(bytes.substr(at, piece));
  return text + decoder.finish();
}

}  // namespace

TEST_CASE("characters that are split between reads come out whole") {
  const std::string text = "a\u00e9\u20ac\U0001F600z";  // 1, 2, 3 and 4 bytes
  for (std::size_t piece = 1; piece <= text.size(); ++piece) CHECK(in_pieces(text, piece) == text);
}

TEST_CASE("a complete character is not kept back") {
  OutputDecoder decoder;
  CHECK(decoder.feed("\u20ac") == "\u20ac");
  CHECK(decoder.feed("\xE2\x82").empty());
  CHECK(decoder.feed("\xAC") == "\u20ac");
  CHECK(decoder.finish().empty());
}

TEST_CASE("what cannot become a character is replaced, not kept back") {
  OutputDecoder decoder;
  CHECK(decoder.feed("a\xFF") == "a\uFFFD");
  CHECK(decoder.feed("b\xC0") == "b\uFFFD");
  CHECK(decoder.feed(std::string_view("c\0d", 3)) == "c\uFFFDd");
}

TEST_CASE("a stream that ends within a character ends with a replacement") {
  OutputDecoder decoder;
  CHECK(decoder.feed("x\xF0\x9F\x98") == "x");
  CHECK(decoder.finish() == "\uFFFD");
  CHECK(decoder.finish().empty());
}

TEST_CASE("any bytes in any pieces give the same valid text") {
  std::mt19937 random(20261122);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(64, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    const std::string whole = in_pieces(bytes, bytes.size());
    REQUIRE(is_valid_utf8(whole));
    REQUIRE(whole.find('\0') == std::string::npos);
    for (const std::size_t piece : {1, 2, 3, 5, 7}) REQUIRE(in_pieces(bytes, piece) == whole);
  }
}
