#include "shared/persistence/encoding.h"

#include <catch2/catch.hpp>

namespace dynflow::persistence {

TEST_CASE("histories survive encoding", "[persistence]") {
  const std::vector<HistoryEntry> history = {{1795329946, "start execution", "world \"1\""}, {-5, "ä\n", ""}};
  const auto decoded = decode_history(encode_history(history));
  REQUIRE(decoded.ok());
  CHECK(*decoded == history);
  CHECK(encode_history({}).empty());
  REQUIRE(decode_history("").ok());
  CHECK(decode_history("")->empty());
}

TEST_CASE("errors survive encoding, whether or not their class is known here", "[persistence][S03]") {
  const std::optional<StepError> error = StepError{"Gone::AwayError", "a \"b\"\n\x01 ü", {"a.rb:1", "", "b.rb:2"}};
  const auto decoded = decode_error(encode_error(error));
  REQUIRE(decoded.ok());
  CHECK(*decoded == error);
  const std::optional<StepError> bare = StepError{};
  REQUIRE(decode_error(encode_error(bare)).ok());
  CHECK(*decode_error(encode_error(bare)) == bare);
  CHECK(encode_error(std::nullopt).empty());
  REQUIRE(decode_error("").ok());
  CHECK_FALSE(decode_error("")->has_value());
}

TEST_CASE("children survive encoding", "[persistence]") {
  const std::vector<int> children = {2, 3, 10'000};
  REQUIRE(decode_children(encode_children(children)).ok());
  CHECK(*decode_children(encode_children(children)) == children);
  CHECK(encode_children(children) == "[2,3,10000]");
}

TEST_CASE("damaged texts are reported as such", "[persistence]") {
  for (const char* text : {"{", "null", "1", "{}", R"([{"name":"x"}])", R"([{"time":"x"}])", "[1]"}) {
    CAPTURE(text);
    REQUIRE_FALSE(decode_history(text).ok());
    CHECK(decode_history(text).error().code() == Code::kCorrupt);
  }
  for (const char* text : {"[", "[]", "\"x\"", R"({"backtrace":[1]})"}) {
    CAPTURE(text);
    REQUIRE_FALSE(decode_error(text).ok());
    CHECK(decode_error(text).error().code() == Code::kCorrupt);
  }
  for (const char* text : {"{}", "[\"1\"]", "[1.5]", "x"}) {
    CAPTURE(text);
    REQUIRE_FALSE(decode_children(text).ok());
    CHECK(decode_children(text).error().code() == Code::kCorrupt);
  }
}

TEST_CASE("a plan rests from its end or its pause", "[persistence]") {
  const Time at_10{std::chrono::seconds(10)};
  const Time at_20{std::chrono::seconds(20)};
  PlanProgress progress;
  progress.started_at = at_10;
  progress.state = PlanState::kRunning;
  CHECK_FALSE(resting_since(progress));
  progress.state = PlanState::kPaused;
  CHECK(resting_since(progress) == at_10);
  progress.history = {{15, "start execution", "w"}, {20, "pause execution", "w"}};
  CHECK(resting_since(progress) == at_20);
  progress.state = PlanState::kStopped;
  CHECK(resting_since(progress) == at_20);
  progress.ended_at = at_10;
  CHECK(resting_since(progress) == at_10);
  PlanProgress without_times;
  without_times.state = PlanState::kStopped;
  CHECK(resting_since(without_times) == Time{});
}

}  // namespace dynflow::persistence
