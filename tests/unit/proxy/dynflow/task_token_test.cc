#include "proxy/dynflow/task_token.h"

#include <catch2/catch.hpp>

#include "shared/base/base64.h"

using namespace dynflow;
using namespace dynflow::proxy;

namespace {

TokenVerdict judge(const char* method, const char* target, std::optional<std::string> authorization) {
  http::Request request;
  request.method = method;
  if (authorization) request.headers.add("Authorization", *authorization);
  return judge_token(request, target);
}

std::string basic(const std::string& text) { return "Basic " + base64_encode(text); }

}  // namespace

TEST_CASE("a token for the task in the path may pass", "[task_token]") {
  CHECK(judge("POST", "/tasks/abc/update", basic("abc:5165a471")) == TokenVerdict::kPlausible);
  CHECK(judge("POST", "/tasks/abc/done?x=1", basic("abc:a:b")) == TokenVerdict::kPlausible);
  CHECK(judge("POST", "/tasks/abc/done", "bASIC  " + base64_encode("abc:x")) == TokenVerdict::kPlausible);
}

TEST_CASE("without an Authorization field the host decides", "[task_token]") {
  CHECK(judge("POST", "/tasks/abc/update", std::nullopt) == TokenVerdict::kNotOffered);
}

TEST_CASE("no token opens any other route or any other spelling", "[task_token]") {
  for (const char* target : {"/tasks/launch", "/tasks/abc/status", "/tasks/abc/cancel", "/tasks/abc/update/", "/tasks/abc/updates",
                             "/tasks/abc/done/x", "/tasks/a/b/update", "/tasks//update", "/tasks/a%62c/update", "/tasks/abc/%75pdate",
                             "/tasks/../update", "/console/abc/done", "/x/tasks/abc/done", "/", ""}) {
    INFO(target);
    CHECK(judge("POST", target, basic("abc:x")) == TokenVerdict::kNotOffered);
  }
  CHECK(judge("GET", "/tasks/abc/done", basic("abc:x")) == TokenVerdict::kNotOffered);
}

TEST_CASE("a token without a password, for another task or of another kind is refused here", "[task_token]") {
  for (const std::string& field : {basic("abc"), basic("abc:"), basic("abc:::"), basic("abd:x"), basic(":x"), basic(""),
                                   std::string("Basic abc:x"), std::string("Bearer x"), std::string("Basic"), std::string()}) {
    INFO(field);
    CHECK(judge("POST", "/tasks/abc/update", field) == TokenVerdict::kHopeless);
  }
  CHECK(token_refusal().status == 403);
  CHECK(token_refusal().body == R"({"error":"Invalid username or password supplied"})");
}
