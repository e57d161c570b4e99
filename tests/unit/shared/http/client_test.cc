#include "shared/http/client.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <latch>

#include "shared/base/thread.h"
#include "tests/unit/shared/http/raw_client.h"
#include "tests/unit/shared/http/test_server.h"

using namespace dynflow;
using namespace dynflow::test;
using namespace std::chrono_literals;

namespace {

http::ClientOptions to(std::uint16_t port) {
  http::ClientOptions options;
  options.host = "127.0.0.1";
  options.port = port;
  return options;
}

Deadline soon() { return Deadline::after(10s); }

// The whole answer of one GET: status and body, or the name of the error.
std::string get(http::ClientPool& pool, const std::string& target = "/", Deadline deadline = soon()) {
  auto response = pool.send("GET", target, {}, nullptr, deadline);
  if (!response) return std::string(to_string(response.error().code()));
  auto body = http::read_all(*response->body, 10'000'000);
  return std::to_string(response->status) + " " + (body ? *body : std::string(to_string(body.error().code())));
}

// A server that answers each connection with the next of `scripts`, after it has read a head, and closes.
class Scripted {
 public:
  explicit Scripted(std::vector<std::string> scripts) {
    thread_ = NamedThread("scripted", [this, scripts = std::move(scripts)] {
      for (const std::string& script : scripts) {
        RawSocket client = listener_.accept();
        requests_.push_back(client.head());
        client.send(script);
        client.finish_sending();
        ++finished_;
        finished_.notify_all();
        client.rest();
      }
    });
  }
  std::uint16_t port() const { return listener_.port(); }
  // Returns when so many answers were sent and the ends of their connections as well.
  void wait_for_answers(int count) {
    for (int seen = finished_; seen < count; seen = finished_) finished_.wait(seen);
  }
  // The heads that came; waits for the end of the script.
  const std::vector<std::string>& requests() {
    thread_.join();
    return requests_;
  }

 private:
  RawListener listener_;
  std::vector<std::string> requests_;
  std::atomic<int> finished_{0};
  NamedThread thread_;
};

}  // namespace

TEST_CASE("connections are reused, bodies stream both ways") {
  TestServer server;
  http::ClientPool pool(to(server.port()));
  for (int i = 0; i < 3; ++i) {
    CHECK(get(pool, "/a%2Fb?c=d") == "200 GET /a%2Fb?c=d 0");
    CHECK(get(pool, "/known") == "200 abcdef");
    CHECK(get(pool, "/unknown") == "200 abcdef");
    CHECK(get(pool, "/large").size() == 3'000'004);
    const auto chunked = pieces({"he", "llo"});
    auto response = pool.send("POST", "/echo", {}, chunked.get(), soon());
    REQUIRE(response);
    CHECK(http::read_all(*response->body, 100).value() == "hello");
    const auto known = http::body_of(std::string(200'000, 'x'));
    auto echoed = pool.send("PUT", "/echo", {}, known.get(), soon());
    REQUIRE(echoed);
    CHECK(http::read_all(*echoed->body, 300'000).value().size() == 200'000);
  }
  CHECK(pool.load().open == 1);
  CHECK(pool.load().idle == 1);
  CHECK(server.server.load().connections == 1);
}

TEST_CASE("HEAD, 204 and interim answers") {
  TestServer server;
  http::ClientPool pool(to(server.port()));
  auto head = pool.send("HEAD", "/large", {}, nullptr, soon());
  REQUIRE(head);
  CHECK(head->body->length() == 3'000'000);
  CHECK(http::read_all(*pool.send("GET", "/empty", {}, nullptr, soon())->body, 10).value().empty());
  CHECK(pool.load().open == 1);
  Scripted scripted({"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
  http::ClientPool other(to(scripted.port()));
  CHECK(get(other) == "200 ok");
}

TEST_CASE("what goes out: host, framing, and nothing that speaks of one hop") {
  Scripted scripted({"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"});
  http::ClientPool pool(to(scripted.port()));
  http::Headers headers;
  headers.add("X-Value", "a%0d%0ab");
  headers.add("Connection", "X-Value");
  headers.add("Content-Length", "99");
  headers.add("Transfer-Encoding", "chunked");
  headers.add("Expect", "100-continue");
  REQUIRE(pool.send("POST", "/x", headers, nullptr, soon()));
  headers.add("Host", "other:1");
  REQUIRE(pool.send("GET", "/x", headers, nullptr, soon()));
  pool.close_idle();
  const auto& requests = scripted.requests();
  CHECK(requests[0] == "POST /x HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(scripted.port()) +
                           "\r\nX-Value: a%0d%0ab\r\nContent-Length: 0\r\n\r\n");
  CHECK(requests[1] == "GET /x HTTP/1.1\r\nX-Value: a%0d%0ab\r\nHost: other:1\r\n\r\n");
}

TEST_CASE("what would split a request is never sent") {
  TestServer server;
  http::ClientPool pool(to(server.port()));
  const auto code = [&](std::string_view method, std::string_view target, const http::Headers& headers) {
    const auto response = pool.send(method, target, headers, nullptr, soon());
    return response ? std::string("sent") : std::string(to_string(response.error().code()));
  };
  http::Headers bad;
  bad.add("A", "b\r\nC: d");
  CHECK(code("GET", "/", bad) == "invalid");
  CHECK(code("GET", "/ HTTP/1.1\r\nA: b", {}) == "invalid");
  CHECK(code("GET", "", {}) == "invalid");
  CHECK(code("GET X", "/", {}) == "invalid");
  CHECK(server.server.load().connections == 0);
}

TEST_CASE("answers that are no answers are told apart") {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", "bad_peer"},
      {"nonsense\r\n\r\n", "bad_peer"},
      {"HTTP/1.1 200", "bad_peer"},
      {"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "bad_peer"},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\n", "bad_peer"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "bad_peer"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", "200 bad_peer"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", "200 bad_peer"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nok", "200 bad_peer"},
      {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "200 until the end"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more", "200 ok"},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 "},
  };
  for (const auto& [script, expected] : rows) {
    CAPTURE(script);
    Scripted server({script});
    http::ClientPool pool(to(server.port()));
    CHECK(get(pool) == expected);
    if (expected != "304 ") CHECK(pool.load().open <= pool.load().idle);
  }
}

TEST_CASE("a dead pooled connection is replaced for what may be repeated") {
  const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  Scripted server({ok, ok, ok});
  http::ClientPool pool(to(server.port()));
  // The server closes behind each answer; the pool finds out when it uses the connection again.
  CHECK(get(pool) == "200 ok");
  CHECK(get(pool) == "200 ok");
  // What must not be sent twice goes on the old one unless its end has come already.
  server.wait_for_answers(2);
  const auto body = http::body_of("once");
  auto posted = pool.send("POST", "/", {}, body.get(), soon());
  REQUIRE(posted);
  pool.close_idle();
  CHECK(server.requests().size() == 3);
}

TEST_CASE("a fresh connection that dies is never retried") {
  Scripted server({"", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"});
  http::ClientPool pool(to(server.port()));
  CHECK(get(pool) == "bad_peer");
  CHECK(get(pool) == "200 ok");
}

TEST_CASE("nobody there is another error than nobody answers") {
  RawListener listener;
  http::ClientPool pool(to(listener.port()));
  CHECK(get(pool, "/", Deadline::after(30ms)) == "timeout");
  listener.close();
  CHECK(get(pool) == "unavailable");
  http::ClientOptions unknown = to(80);
  unknown.host = "no such host.invalid";
  http::ClientPool nowhere(unknown);
  CHECK(get(nowhere) == "unavailable");
}

TEST_CASE("an answer before the end of the request is taken") {
  RawListener listener;
  NamedThread server("early", [&] {
    RawSocket client = listener.accept();
    client.head();
    client.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    client.rest();
  });
  http::ClientPool pool(to(listener.port()));
  const auto body = http::body_of(std::string(50'000'000, 'x'));
  auto response = pool.send("POST", "/", {}, body.get(), soon());
  REQUIRE(response);
  CHECK(response->status == 413);
  CHECK(http::read_all(*response->body, 10).value() == "big");
  CHECK(pool.load().open == 0);
}

TEST_CASE("a request body that fails is the caller's error and ends the connection") {
  TestServer server;
  http::ClientPool pool(to(server.port()));
  const auto broken = pieces({"abc", "!"});
  const auto response = pool.send("POST", "/echo", {}, broken.get(), soon());
  REQUIRE_FALSE(response);
  CHECK(response.error().code() == Code::kFailed);
  const auto shorter = pieces({"abc"}, 6);
  const auto refused = pool.send("POST", "/echo", {}, shorter.get(), soon());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Code::kInvalid);
  CHECK(pool.load().open == 0);
}

TEST_CASE("connections are bounded, and waiting for one has an end") {
  TestServer server;
  http::ClientOptions options = to(server.port());
  options.max_connections = 1;
  http::ClientPool pool(options);
  auto held = pool.send("GET", "/large", {}, nullptr, soon());
  REQUIRE(held);
  CHECK(get(pool, "/", Deadline::after(20ms)) == "busy");
  held->body.reset();
  CHECK(get(pool) == "200 GET / 0");
}

TEST_CASE("an answer may outlive the pool") {
  TestServer server;
  std::unique_ptr<http::BodyStream> body;
  {
    http::ClientPool pool(to(server.port()));
    auto response = pool.send("GET", "/large", {}, nullptr, soon());
    REQUIRE(response);
    body = std::move(response->body);
  }
  CHECK(http::read_all(*body, 4'000'000).value().size() == 3'000'000);
}

TEST_CASE("many threads share a pool") {
  TestServer server;
  http::ClientOptions options = to(server.port());
  options.max_connections = 4;
  http::ClientPool pool(options);
  std::atomic<int> good{0};
  std::vector<NamedThread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back("client", [&] {
      for (int n = 0; n < 50; ++n) good += get(pool, "/x") == "200 GET /x 0" ? 1 : 0;
    });
  }
  for (NamedThread& thread : threads) thread.join();
  CHECK(good == 400);
  CHECK(pool.load().open <= 4);
}

TEST_CASE("an aborted pool ends what is under way and takes nothing more") {
  RawListener listener;
  http::ClientOptions options = to(listener.port());
  options.max_connections = 1;
  http::ClientPool pool(options);
  std::string waits_for_answer;
  std::string waits_for_connection;
  NamedThread first("client", [&] { waits_for_answer = get(pool); });
  RawSocket server = listener.accept();
  CHECK_FALSE(server.head().empty());
  NamedThread second("client", [&] { waits_for_connection = get(pool); });
  const Instant start = system_clock().instant();
  pool.abort();
  first.join();
  second.join();
  CHECK(waits_for_answer == to_string(Code::kClosed));
  CHECK(waits_for_connection == to_string(Code::kClosed));
  CHECK(system_clock().instant() - start < 9s);  // of the deadline's 10 s
  CHECK(get(pool) == to_string(Code::kClosed));
  CHECK(pool.load().open == 0);
}

TEST_CASE("an abort breaks off the body that is being read") {
  RawListener listener;
  http::ClientPool pool(to(listener.port()));
  Result<std::string> body("");
  std::latch has_head(1);
  NamedThread reader("client", [&] {
    auto response = pool.send("GET", "/", {}, nullptr, soon());
    has_head.count_down();
    body = response ? http::read_all(*response->body, 100) : response.error();
  });
  RawSocket server = listener.accept();
  server.head();
  server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
  has_head.wait();
  pool.abort();
  reader.join();
  REQUIRE_FALSE(body.ok());
  CHECK(body.error().code() == Code::kBadPeer);
  CHECK(pool.load().open == 0);
}
