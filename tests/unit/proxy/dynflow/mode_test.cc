#include "proxy/dynflow/mode.h"

#include <catch2/catch.hpp>

using namespace dynflow::proxy;

TEST_CASE("external_core and what can be loaded decide the mode", "[mode]") {
  CHECK(decide_mode(ExternalCore::kTrue, true).mode == Mode::kRelay);
  CHECK(decide_mode(ExternalCore::kTrue, false).mode == Mode::kRelay);
  CHECK(decide_mode(ExternalCore::kFalse, true).mode == Mode::kInProcess);
  CHECK(decide_mode(ExternalCore::kFalse, false).mode == Mode::kFailed);
  CHECK(decide_mode(ExternalCore::kUnset, true).mode == Mode::kInProcess);
  CHECK(decide_mode(ExternalCore::kUnset, false).mode == Mode::kRelay);
}

TEST_CASE("the table has one row a case and a reason in each", "[mode]") {
  for (const ModeRule& rule : kModeRules) {
    CHECK(&decide_mode(rule.setting, rule.is_core_loadable) == &rule);
    CHECK_FALSE(rule.reason.empty());
  }
}
