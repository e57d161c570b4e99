#include "migration/command.h"

#include <catch2/catch.hpp>
#include <set>

#include "migration/commands.h"

using namespace dynflow::migration;

TEST_CASE("numbers of the command line", "[migration][command]") {
  Arguments arguments;
  CHECK_FALSE(arguments.number("timeout").value().has_value());
  arguments.set("timeout", "30");
  CHECK(arguments.number("timeout").value().value() == 30);
  for (const char* bad : {"", "-1", "3s", "1000000001", "9223372036854775807", "99999999999999999999"}) {
    arguments.set("timeout", bad);
    CHECK(arguments.number("timeout").error().message().find("--timeout") == 0);
  }
}

TEST_CASE("every command has a name of its own and a summary", "[migration][command]") {
  std::set<std::string_view> names;
  for (const Command& command : commands()) {
    INFO(command.name);
    CHECK(names.insert(command.name).second);
    CHECK_FALSE(command.summary.empty());
    for (const Option& option : command.options) CHECK_FALSE(option.doc.empty());
  }
}

TEST_CASE("words of an option", "[migration][command]") {
  const Option option{"to", OptionKind::kValue, "internal|external", "Where to"};
  CHECK(words_of(option) == std::vector<std::string_view>{"internal", "external"});
  CHECK(words_of(Option{"timeout", OptionKind::kValue, "SECONDS", "How long"}).empty());
}
