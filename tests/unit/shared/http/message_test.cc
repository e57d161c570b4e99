#include "shared/http/message.h"

#include <catch2/catch.hpp>

using namespace dynflow;
using namespace dynflow::http;

TEST_CASE("header names compare without case and keep their order") {
  Headers headers;
  headers.add("A", "1");
  headers.add("b", "2");
  headers.add("a", "3");
  CHECK(headers.get("a") == "1");
  headers.set("a", "4");
  CHECK(headers.size() == 2);
  CHECK(headers.get("A") == "4");
  CHECK(headers.begin()->first == "A");
  headers.remove("B");
  CHECK_FALSE(headers.has("b"));
  headers.set("New", "5");
  CHECK(headers.get("new") == "5");
}

TEST_CASE("percent-decoding leaves bad escapes alone") {
  CHECK(percent_decode("a%20b%2Fc%c3%A4") == "a b/c\xc3\xa4");
  CHECK(percent_decode("%zz%4") == "%zz%4");
  CHECK(percent_decode("%") == "%");
  CHECK(percent_decode("a+b") == "a+b");
  CHECK(percent_decode("a+b", true) == "a b");
}

TEST_CASE("query values are decoded and keep their order") {
  Request request;
  request.query = "task_ids[]=a&x&task_ids%5B%5D=b+c&&y=1=2";
  CHECK(request.query_values("task_ids[]") == std::vector<std::string>{"a", "b c"});
  CHECK(request.query_values("x") == std::vector<std::string>{""});
  CHECK(request.query_values("y") == std::vector<std::string>{"1=2"});
  CHECK(request.query_values("z").empty());
}

TEST_CASE("bodies are read up to a limit") {
  Request request;
  request.body = body_of("hello");
  CHECK(request.body->length() == 5);
  const auto whole = request.read_body(5);
  REQUIRE(whole);
  CHECK(*whole == "hello");
  request.body = body_of("hello");
  const auto too_long = request.read_body(4);
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().code() == Code::kTooLarge);
  request.body = body_of("");
  CHECK(request.read_body(0).ok());
}

TEST_CASE("error answers are JSON whatever the message holds") {
  CHECK(error_response(404, "no \"such\" task").body == R"({"error":"no \"such\" task"})");
  CHECK(error_response(400, std::string_view("a\\\n\x01\xff\xc3\xa4", 7)).body ==
        "{\"error\":\"a\\\\\\n\\u0001\xEF\xBF\xBD\xc3\xa4\"}");
  const Response busy = error_response(Error(Code::kBusy, "full"));
  CHECK(busy.status == 503);
  CHECK(busy.headers.get("content-type") == "application/json");
}

TEST_CASE("reasons are the standard's") {
  CHECK(reason_phrase(200) == "OK");
  CHECK(reason_phrase(431) == "Request Header Fields Too Large");
  CHECK(reason_phrase(299) == "Unknown");
}
