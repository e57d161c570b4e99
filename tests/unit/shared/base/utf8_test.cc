#include "shared/base/utf8.h"

#include <catch2/catch.hpp>

namespace dynflow {
namespace {

TEST_CASE("valid UTF-8 passes unchanged") {
  const std::string text = GENERATE("", "plain", "na\xC3\xAFve", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF",
                                    "\xED\x9F\xBF", "\xEE\x80\x80");
  CHECK(is_valid_utf8(text));
  CHECK(to_valid_utf8(text) == text);
}

TEST_CASE("ill-formed bytes are replaced once per maximal subpart") {
  struct Row {
    std::string_view bytes;
    std::string_view repaired;
  };
  const Row row = GENERATE(Row{"\xFF", "?"}, Row{"a\x80z", "a?z"}, Row{"\xC0\xAF", "??"}, Row{"\xE2\x82", "?"},
                           Row{"\xE2\x82x", "?x"}, Row{"\xF0\x9F\x98", "?"}, Row{"\xED\xA0\x80", "???"},
                           Row{"\xF4\x90\x80\x80", "????"}, Row{"\xE0\x80\x80", "???"}, Row{"\xC3\xC3\xA9", "?\xC3\xA9"});
  CHECK_FALSE(is_valid_utf8(row.bytes));
  CHECK(to_valid_utf8(row.bytes, "?") == row.repaired);
  CHECK(is_valid_utf8(to_valid_utf8(row.bytes)));
}

}  // namespace
}  // namespace dynflow
