#include "shared/base/ids.h"

#include <catch2/catch.hpp>

#include <set>

using namespace dynflow;

TEST_CASE("uuids are version 4 and do not repeat") {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = system_ids().uuid();
    CHECK(is_uuid(id));
    CHECK(id[14] == '4');
    CHECK((id[19] == '8' || id[19] == '9' || id[19] == 'a' || id[19] == 'b'));
    CHECK(seen.insert(id).second);
  }
}

TEST_CASE("a seed gives the same ids again") {
  SeededIds a(7);
  SeededIds b(7);
  CHECK(a.uuid() == b.uuid());
  CHECK(a.uuid() != SeededIds(8).uuid());
}

TEST_CASE("what is no uuid") {
  CHECK_FALSE(is_uuid(""));
  CHECK_FALSE(is_uuid("d73eefbc-0955-45ec-9cee-4cd2f6f636a"));
  CHECK_FALSE(is_uuid("d73eefbc-0955-45ec-9cee-4cd2f6f636ag"));
  CHECK_FALSE(is_uuid("d73eefbc00955-45ec-9cee-4cd2f6f636a4"));
  CHECK(is_uuid("D73EEFBC-0955-45ec-9cee-4cd2f6f636a4"));
}

TEST_CASE("random hexadecimal text has two digits a byte") { CHECK(random_hex(16).size() == 32); }
