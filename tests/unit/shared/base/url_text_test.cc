#include "shared/base/url_text.h"

#include <catch2/catch.hpp>

using dynflow::without_credentials;

TEST_CASE("a URL is shown without what lets one in") {
  CHECK(without_credentials("/var/lib/x@y.sqlite") == "/var/lib/x@y.sqlite");
  CHECK(without_credentials("https://proxy.example.com:9090/a?b=c") == "https://proxy.example.com:9090/a?b=c");
  CHECK(without_credentials("postgresql://user:hunter2@db/dynflow") == "postgresql://...@db/dynflow");
  CHECK(without_credentials("postgresql://user:p@ss@db/dynflow?sslmode=require") == "postgresql://...@db/dynflow?sslmode=require");
  CHECK(without_credentials("postgresql://db/dynflow?user=u&password=hunter2&sslpassword=x&connect_timeout=3") ==
        "postgresql://db/dynflow?user=u&password=...&sslpassword=...&connect_timeout=3");
  CHECK(without_credentials("postgresql://db/dynflow?password=") == "postgresql://db/dynflow?password=...");
  CHECK(without_credentials("postgresql://db/dynflow?flag&password=x") == "postgresql://db/dynflow?flag&password=...");
}
