#include "shared/log/text.h"

#include <catch2/catch.hpp>

namespace dynflow::log {
namespace {

TEST_CASE("a foreign text stays one line and cannot drive a terminal") {
  struct Row {
    std::string text;
    std::string_view shown;
  };
  const Row row = GENERATE(Row{"plain\ttext", "plain\ttext"}, Row{"a\nb\r\nc", "a\\nb\\r\\nc"},
                           Row{"\x1b[31mred", "\\x1b[31mred"}, Row{std::string("a\0b", 3), "a\\x00b"},
                           Row{"\x7f", "\\x7f"}, Row{"\xC2\x9B" "31m", "\\u009b31m"}, Row{"caf\xC3\xA9", "caf\xC3\xA9"},
                           Row{"\xC2\xA0", "\xC2\xA0"}, Row{"bad\xFF\xE2\x82z", "bad??z"}, Row{"", ""});
  CHECK(to_one_line(row.text) == row.shown);
}

TEST_CASE("lines below a record are indented") {
  CHECK(to_indented_lines("one\ntwo\r\n\nthree\n\n") == "  one\n  two\\r\n  \n  three");
  CHECK(to_indented_lines("").empty());
  CHECK(to_indented_lines("\n\n").empty());
  CHECK(to_indented_lines("2026-11-22T07:02:23 a [I] forged") == "  2026-11-22T07:02:23 a [I] forged");
}

TEST_CASE("long texts are cut between characters") {
  CHECK(cut_text("abcdef", 6) == "abcdef");
  CHECK(cut_text("abcdefg", 6) == "abcdef... (1 bytes more)");
  CHECK(cut_text("ab\xE2\x82\xAC", 4) == "ab... (3 bytes more)");
}

}  // namespace
}  // namespace dynflow::log
