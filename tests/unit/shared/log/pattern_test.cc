#include "shared/log/pattern.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "shared/log/setup.h"

namespace dynflow::log {
namespace {

const Time kCreated = parse_dynflow_time("2026-11-22 07:02:23.250").value();

std::string formatted(std::string_view pattern, const Context& context = {}, std::string_view message = "hello",
                      Level level = Level::kInfo) {
  const auto parsed = Pattern::parse(pattern, kCreated);
  REQUIRE(parsed.ok());
  return parsed->format({kCreated + std::chrono::milliseconds(1500), level, context, message, "foreman-proxy"});
}

std::string date() {
  const std::time_t second = std::chrono::system_clock::to_time_t(kCreated + std::chrono::milliseconds(1500));
  std::tm parts{};
  localtime_r(&second, &parts);
  char text[40];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts));
}

TEST_CASE("the file pattern of upstream") {
  CHECK(formatted(kFilePattern, {.request_id = "aaaabbbb-cccc-dddd"}, "Started GET /features ") ==
        date() + " aaaabbbb [I] Started GET /features ");
  CHECK(formatted(kFilePattern) == date() + "  [I] hello");
  CHECK(formatted(kSystemPattern) == "hello");
}

TEST_CASE("directives") {
  const Context context{.request_id = "req", .task_id = "task", .session_id = "ses"};
  struct Row {
    std::string_view pattern;
    std::string text;
  };
  const Row row = GENERATE(
      Row{"%l", "WARN"}, Row{"%.1l", "W"}, Row{"%-6l|", "WARN  |"}, Row{"%6l|", "  WARN|"}, Row{"%5.2l|", "   WA|"},
      Row{"%X{request}/%X{session}/%X{task}/%X{other}/", "req/ses/task//"}, Row{"%c", "foreman-proxy"},
      Row{"%c{1}", "foreman-proxy"}, Row{"%.3c", "for"}, Row{"%r", "1500"}, Row{"%p", std::to_string(getpid())},
      Row{"%t", std::to_string(gettid())}, Row{"100%% %m%n", "100% hello\n"}, Row{"%F%L%M%x", ""}, Row{"", ""},
      Row{"%m{x}", "hello{x}"}, Row{"plain", "plain"});
  CHECK(formatted(row.pattern, context, "hello", Level::kWarn) == row.text);
}

TEST_CASE("widths count characters, not bytes") {
  CHECK(formatted("%.2m|", {}, "\xC3\xA9\xC3\xA9\xC3\xA9") == "\xC3\xA9\xC3\xA9|");
  CHECK(formatted("%4m|", {}, "\xE2\x82\xAC") == "   \xE2\x82\xAC|");
}

TEST_CASE("an id from outside cannot forge a record") {
  CHECK(formatted("%X{request}", {.request_id = "a\n2026 [I] x"}) == "a\\n2026 [I] x");
}

TEST_CASE("patterns that mean nothing are refused") {
  const std::string_view pattern = GENERATE(as<std::string_view>{}, "%q", "abc %", "%-", "%.5", "%X{request", "%99999m");
  CHECK_FALSE(Pattern::parse(pattern, kCreated).ok());
}

}  // namespace
}  // namespace dynflow::log
