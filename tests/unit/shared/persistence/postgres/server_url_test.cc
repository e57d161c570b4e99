#include "shared/persistence/postgres/server_url.h"

#include <catch2/catch.hpp>

namespace dynflow::persistence::postgres {

TEST_CASE("URLs of servers are refused without a word of them", "[store]") {
  for (const char* bad : {"", "/a/file", "host=db password=hunter2", "postgres:/hunter2", "postgresql://user:hun@ter2@db/x",
                          "postgresql://user:hun/ter2@db/x", "postgresql://user:%zzhunter2@db/x"}) {
    CAPTURE(bad);
    const auto refused = ServerUrl::parse(bad);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() == Code::kInvalid);
    for (const char* part : {"hun", "ter2"}) CHECK_THAT(refused.error().message(), !Catch::Contains(part));
  }
}

TEST_CASE("a password is taken out of messages", "[store]") {
  const auto url = ServerUrl::parse("postgresql://user:hun%40ter2@db:5433,other:5434/x?sslmode=require");
  REQUIRE(url.ok());
  CHECK(url->without_password("no hun@ter2, hun@ter2!") == "no ***, ***!");
  const auto open_url = ServerUrl::parse("postgres:///dynflow?host=/run/postgresql");
  REQUIRE(open_url.ok());
  CHECK(open_url->without_password("as it is") == "as it is");
}

}  // namespace dynflow::persistence::postgres
