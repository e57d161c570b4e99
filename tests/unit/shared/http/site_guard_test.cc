#include "shared/http/site_guard.h"

#include <catch2/catch.hpp>

using namespace dynflow;
using namespace dynflow::http;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

Request request_with(std::string method, Fields fields) {
  Request request;
  request.method = std::move(method);
  request.path = "/dynflow/tasks/launch";
  request.headers.add("Host", "proxy.example.com:9090");
  for (auto& [name, value] : fields) request.headers.add(std::move(name), std::move(value));
  return request;
}

}  // namespace

TEST_CASE("browsers say when another site made them ask") {
  const auto is_foreign = [](Fields fields) { return is_from_another_site(request_with("POST", std::move(fields))); };
  // Whoever is no browser says nothing.
  CHECK_FALSE(is_foreign({}));
  CHECK_FALSE(is_foreign({{"Sec-Fetch-Site", "same-origin"}}));
  CHECK_FALSE(is_foreign({{"Sec-Fetch-Site", "none"}}));
  CHECK(is_foreign({{"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://proxy.example.com:9090"}}));
  CHECK(is_foreign({{"Sec-Fetch-Site", "same-site"}}));
  CHECK(is_foreign({{"Sec-Fetch-Site", ""}}));
  CHECK_FALSE(is_foreign({{"Origin", "https://proxy.example.com:9090"}}));
  CHECK(is_foreign({{"Origin", "https://evil.example.com"}}));
  CHECK(is_foreign({{"Origin", "https://proxy.example.com:9091"}}));
  CHECK(is_foreign({{"Origin", "https://evil.example.com/?proxy.example.com:9090"}}));
  CHECK(is_foreign({{"Origin", "null"}}));
  CHECK(is_foreign({{"Origin", ""}}));
  // Behind a relay the Host is the core's.
  CHECK_FALSE(is_foreign({{"Origin", "https://outside.example.com"}, {"X-Forwarded-Host", "outside.example.com"}}));
  CHECK(is_foreign({{"Origin", "https://evil.example.com"}, {"X-Forwarded-Host", "outside.example.com"}}));
}

TEST_CASE("another site changes nothing, and may ask what its browser keeps from it anyway") {
  const SiteGuard guard;
  const Fields evil{{"Origin", "https://evil.example.com"}};
  for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "MADE-UP"}) {
    CAPTURE(method);
    const auto refused = guard.refusal(request_with(method, evil));
    REQUIRE(refused);
    CHECK(refused->status == 403);
    CHECK(refused->headers.get("Content-Type") == "application/json");
    CHECK(refused->body == R"({"error":"The request comes from a page of another site; nothing was changed"})");
    CHECK_FALSE(guard.refusal(request_with(method, {})));
  }
  for (const char* method : {"GET", "HEAD", "OPTIONS"}) {
    CAPTURE(method);
    CHECK_FALSE(guard.refusal(request_with(method, evil)));
  }
}
