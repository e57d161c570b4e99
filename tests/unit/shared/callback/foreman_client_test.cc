#include "shared/callback/foreman_client.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <latch>
#include <memory>

#include "shared/base/thread.h"
#include "shared/http/server.h"

using namespace dynflow;
using namespace dynflow::callback;

namespace {

struct Foreman {
  Foreman() : server([] {
    http::ServerOptions options;
    options.listeners.emplace_back();
    return options;
  }()) {
    REQUIRE(server.start([this](http::Request& request) {
      target = request.target;
      headers = request.headers;
      body = request.read_body(1024 * 1024).value();
      return http::text_response(status, status == 200 ? R"({"message":"processing"})" : "not now", "application/json");
    }).ok());
  }
  ~Foreman() { server.stop(Deadline::after(std::chrono::seconds(1))); }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server.ports().front()); }

  http::Server server;
  std::atomic<int> status{200};
  std::string target;
  std::string body;
  http::Headers headers;
};

std::unique_ptr<ForemanClient> client_for(std::string url) {
  ForemanAddress address;
  address.url = std::move(url);
  auto made = make_foreman_client(std::move(address));
  REQUIRE(made.ok());
  return std::move(*made);
}

}  // namespace

TEST_CASE("the request has upstream's form, below the path of the URL") {
  Foreman foreman;
  const std::string path = GENERATE("", "/", "/sub", "/sub/");
  const auto client = client_for(foreman.url() + path);
  REQUIRE(client->post(R"({"callback":{},"data":{}})", "request-1").ok());
  CHECK(foreman.target == (path.starts_with("/sub") ? "/sub" : "") + std::string("/foreman_tasks/api/tasks/callback"));
  CHECK(foreman.body == R"({"callback":{},"data":{}})");
  CHECK(foreman.headers.get("Accept") == "*/*, application/json,version=2");
  CHECK(foreman.headers.get("Content-Type") == "application/json");
  CHECK(foreman.headers.get("X-Request-Id") == "request-1");
}

TEST_CASE("answers say whether the entries or Foreman are at fault") {
  Foreman foreman;
  const auto client = client_for(foreman.url());
  const auto code_for = [&](int status) {
    foreman.status = status;
    const Status posted = client->post("{}", "");
    REQUIRE_FALSE(posted.ok());
    CHECK(posted.error().message() ==
          "Failed performing callback to Foreman server: " + std::to_string(status) + " not now");
    return posted.error().code();
  };
  CHECK(code_for(500) == Code::kUnprocessable);
  CHECK(code_for(422) == Code::kUnprocessable);
  CHECK(code_for(403) == Code::kForbidden);
  CHECK(code_for(404) == Code::kNotFound);
  CHECK(code_for(302) == Code::kUnavailable);
  CHECK(code_for(503) == Code::kUnavailable);
  foreman.status = 200;
  CHECK(client->post("{}", "bad\r\nheader").ok());
  CHECK_FALSE(foreman.headers.has("X-Request-Id"));
}

TEST_CASE("without a Foreman callbacks wait") {
  CHECK(client_for("")->post("{}", "").error().code() == Code::kUnavailable);
  std::string url;
  {
    Foreman foreman;
    url = foreman.url();
  }
  CHECK(client_for(url)->post("{}", "").error().code() == Code::kUnavailable);
  const auto client = client_for(url);
  client->close();
  CHECK(client->post("{}", "").error().code() == Code::kClosed);
}

TEST_CASE("closing ends a post that Foreman does not answer") {
  std::latch has_come(1);
  std::latch may_answer(1);
  http::ServerOptions options;
  options.listeners.emplace_back();
  http::Server slow(std::move(options));
  REQUIRE(slow.start([&](http::Request&) {
    has_come.count_down();
    may_answer.wait();
    return http::text_response(200, "{}", "application/json");
  }).ok());
  const auto client = client_for("http://127.0.0.1:" + std::to_string(slow.ports().front()));
  Status posted;
  NamedThread poster("poster", [&] { posted = client->post("{}", ""); });
  has_come.wait();
  client->close();
  poster.join();  // else after a minute, with kTimeout
  REQUIRE_FALSE(posted.ok());
  CHECK(posted.error().code() == Code::kClosed);
  may_answer.count_down();
  slow.stop(Deadline::after(std::chrono::seconds(5)));
}

TEST_CASE("URLs of Foreman") {
  const auto plain = parse_foreman_url("http://foreman.example.com").value();
  CHECK(plain.host == "foreman.example.com");
  CHECK(plain.port == 80);
  CHECK_FALSE(plain.is_https);
  const auto full = parse_foreman_url("https://[2001:db8::1]:8443/a/b//").value();
  CHECK(full.host == "2001:db8::1");
  CHECK(full.port == 8443);
  CHECK(full.is_https);
  CHECK(full.path == "/a/b");
  for (const char* wrong : {"", "foreman", "ftp://x", "http://", "https://:443", "http://x:", "http://x:0", "http://x:70000",
                            "http://u:p@x", "http://x?y", "http://x#y", "http://[::1", "http://x y", "http://x:80x"}) {
    INFO(wrong);
    CHECK_FALSE(parse_foreman_url(wrong).ok());
  }
}
