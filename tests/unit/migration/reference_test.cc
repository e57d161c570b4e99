#include "migration/reference.h"

#include <catch2/catch.hpp>

#include "migration/commands.h"

using namespace dynflow::migration;

TEST_CASE("manual and completion know every command and option", "[migration][reference]") {
  const std::string manual = manual_page(commands());
  const std::string completion = bash_completion(commands());
  for (const Command& command : commands()) {
    INFO(command.name);
    CHECK(completion.find(std::string(command.name.substr(0, command.name.find(' ')))) != std::string::npos);
    CHECK(manual.find(std::string(command.summary.substr(0, command.summary.find('-')))) != std::string::npos);
    for (const Option& option : command.options) {
      if (option.kind != OptionKind::kPositional) CHECK(completion.find("--" + std::string(option.name)) != std::string::npos);
    }
  }
  CHECK(completion.find("--noop") != std::string::npos);
}
