#include "shared/http/server.h"

#include <fcntl.h>
#include <signal.h>

#include <catch2/catch.hpp>

#include "shared/net/socket.h"
#include "tests/unit/shared/http/raw_client.h"
#include "tests/unit/shared/http/test_server.h"

using namespace dynflow;
using namespace dynflow::test;
using namespace std::chrono_literals;

namespace {

std::string get(const std::string& target, const std::string& fields = {}) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

std::string post(const std::string& target, const std::string& body) {
  return "POST " + target + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string chunk(const std::string& data) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  return size + data + "\r\n";
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a request is answered and the connection stays") {
  TestServer server;
  RawSocket client(server.port());
  for (int i = 0; i < 3; ++i) {
    REQUIRE(client.send(get("/a%2Fb?x=%0d%0a")));
    const std::string answer = client.answer();
    CHECK(status_of(answer) == 200);
    CHECK(body_of_answer(answer) == "GET /a%2Fb?x=%0d%0a 0");
    CHECK(has(answer, "\r\nConnection: Keep-Alive\r\n"));
    CHECK(has(answer, "\r\nServer: smart-proxy\r\n"));
    CHECK(has(answer, "\r\nDate: "));
    CHECK_FALSE(has(answer, "\r\nKeep-Alive:"));
  }
}

TEST_CASE("pipelined requests are answered in order") {
  TestServer server;
  RawSocket client(server.port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += get("/" + std::to_string(i)) + post("/echo", "body " + std::to_string(i));
  REQUIRE(client.send(all));
  for (int i = 0; i < 50; ++i) {
    CHECK(body_of_answer(client.answer()) == "GET /" + std::to_string(i) + " 0");
    CHECK(body_of_answer(client.answer()) == "body " + std::to_string(i));
  }
}

TEST_CASE("a request may arrive byte by byte") {
  TestServer server;
  RawSocket client(server.port());
  for (const char c : post("/echo", "hello")) REQUIRE(client.send({&c, 1}));
  CHECK(body_of_answer(client.answer()) == "hello");
}

TEST_CASE("bodies of all sizes and framings arrive whole") {
  TestServer server;
  RawSocket client(server.port());
  const std::size_t size = GENERATE(0u, 1u, 65'535u, 65'536u, 65'537u, 1'000'000u);
  const std::string body(size, 'b');
  REQUIRE(client.send(post("/echo", body)));
  CHECK(body_of_answer(client.answer()) == body);
  std::string chunks;
  for (std::size_t at = 0; at < size; at += 30'000) chunks += chunk(body.substr(at, 30'000));
  REQUIRE(client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
                      "0\r\nTrailer: dropped\r\n\r\n" + get("/next")));
  CHECK(body_of_answer(client.answer()) == body);
  CHECK(body_of_answer(client.answer()) == "GET /next 0");
}

TEST_CASE("a body the handler did not read never becomes a request") {
  TestServer server;
  RawSocket client(server.port());
  const std::string inner = get("/smuggled");
  REQUIRE(client.send("GET /unread HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(inner.size()) + "\r\n\r\n" +
                      inner + get("/next")));
  CHECK(body_of_answer(client.answer()) == "unread");
  CHECK(body_of_answer(client.answer()) == "GET /next 0");
}

TEST_CASE("a post without length has no body") {
  TestServer server;
  RawSocket client(server.port());
  REQUIRE(client.send("POST /echo HTTP/1.1\r\nHost: a\r\n\r\n" + get("/next")));
  CHECK(body_of_answer(client.answer()).empty());
  CHECK(body_of_answer(client.answer()) == "GET /next 0");
}

TEST_CASE("an unread body that is not here yet ends the connection") {
  TestServer server;
  RawSocket client(server.port());
  REQUIRE(client.send("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + std::string(100'000, 'x')));
  const std::string answer = client.answer();
  CHECK(body_of_answer(answer) == "unread");
  CHECK(has(answer, "\r\nConnection: close\r\n"));
  CHECK(client.is_closed());
}

TEST_CASE("who expects a go-ahead gets it when the body is wanted") {
  TestServer server;
  const std::size_t size = GENERATE(5u, 200'000u);
  const std::string head = " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
  RawSocket client(server.port());
  REQUIRE(client.send("POST /echo" + head));
  CHECK(client.head() == "HTTP/1.1 100 Continue\r\n\r\n");
  REQUIRE(client.send(std::string(size, 'x')));
  CHECK(body_of_answer(client.answer()).size() == size);
}

TEST_CASE("a long body nobody wants is refused without a go-ahead") {
  TestServer server;
  RawSocket client(server.port());
  REQUIRE(client.send("POST /unread HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 200000\r\n\r\n"));
  CHECK(body_of_answer(client.answer()) == "unread");
  CHECK(client.is_closed());
}

TEST_CASE("over-long bodies are refused unread") {
  TestServer server([](http::ServerOptions& options) { options.max_body = 100'000; });
  RawSocket announced(server.port());
  REQUIRE(announced.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n"));
  CHECK(status_of(announced.answer()) == 413);
  CHECK(announced.is_closed());
  RawSocket chunked(server.port());
  chunked.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(std::string(200'000, 'x')));
  const std::string answer = chunked.answer();
  CHECK(status_of(answer) == 413);
  CHECK(has(answer, "\r\nConnection: close\r\n"));
  RawSocket exact(server.port());
  REQUIRE(exact.send(post("/echo", std::string(100'000, 'x'))));
  CHECK(body_of_answer(exact.answer()).size() == 100'000);
}

TEST_CASE("HEAD has the head of GET and no body") {
  TestServer server;
  RawSocket client(server.port());
  const std::string target = GENERATE("/known", "/large", "/unknown");
  REQUIRE(client.send("HEAD " + target + " HTTP/1.1\r\nHost: a\r\n\r\n" + get("/next")));
  const std::string head = client.head();
  CHECK(status_of(head) == 200);
  if (target == "/known") CHECK(has(head, "\r\nContent-Length: 6\r\n"));
  if (target == "/large") CHECK(has(head, "\r\nContent-Length: 3000000\r\n"));
  CHECK(body_of_answer(client.answer()) == "GET /next 0");
}

TEST_CASE("streams are framed by their length, by chunks, or by the end") {
  TestServer server;
  RawSocket client(server.port());
  REQUIRE(client.send(get("/known")));
  CHECK(body_of_answer(client.answer()) == "abcdef");
  REQUIRE(client.send(get("/unknown", "Connection: close\r\n")));
  const std::string chunked = client.rest();
  CHECK(has(chunked, "\r\nTransfer-Encoding: chunked\r\n"));
  CHECK(body_of_answer(chunked) == "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
  RawSocket old(server.port());
  REQUIRE(old.send("GET /unknown HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  const std::string plain = old.rest();
  CHECK(has(plain, "\r\nConnection: close\r\n"));
  CHECK_FALSE(has(plain, "Transfer-Encoding"));
  CHECK(body_of_answer(plain) == "abcdef");
}

TEST_CASE("an answer that breaks off does not look complete") {
  TestServer server;
  RawSocket chunked(server.port());
  REQUIRE(chunked.send(get("/broken")));
  CHECK_FALSE(has(chunked.rest(), "0\r\n\r\n"));
  RawSocket known(server.port());
  REQUIRE(known.send(get("/short")));
  CHECK(body_of_answer(known.rest()).size() < 6);
}

TEST_CASE("large answers arrive whole") {
  TestServer server;
  RawSocket client(server.port());
  REQUIRE(client.send(get("/large")));
  CHECK(body_of_answer(client.answer()) == std::string(3'000'000, 'x'));
}

TEST_CASE("answers without a body have no length") {
  TestServer server;
  RawSocket client(server.port());
  REQUIRE(client.send(get("/empty") + get("/next")));
  const std::string head = client.head();
  CHECK(status_of(head) == 204);
  CHECK_FALSE(has(head, "Content-Length"));
  CHECK(body_of_answer(client.answer()) == "GET /next 0");
}

TEST_CASE("what a handler throws stays inside") {
  TestServer server;
  RawSocket client(server.port());
  REQUIRE(client.send(get("/throws")));
  const std::string answer = client.answer();
  CHECK(status_of(answer) == 500);
  CHECK(body_of_answer(answer) == R"({"error":"Internal Server Error"})");
  CHECK_FALSE(has(answer, "secret"));
}

TEST_CASE("headers that would split the answer are dropped, framing is ours") {
  TestServer server;
  RawSocket client(server.port());
  REQUIRE(client.send(get("/bad-header")));
  const std::string answer = client.answer();
  CHECK_FALSE(has(answer, "Injected"));
  CHECK_FALSE(has(answer, "upgrade"));
  CHECK(has(answer, "\r\nX-Good: c\r\n"));
  CHECK(has(answer, "\r\nContent-Length: 2\r\n"));
}

TEST_CASE("1.0 clients get their connection closed unless they ask") {
  TestServer server;
  RawSocket plain(server.port());
  REQUIRE(plain.send("GET / HTTP/1.0\r\n\r\n"));
  CHECK(has(plain.rest(), "\r\nConnection: close\r\n"));
  RawSocket asks(server.port());
  REQUIRE(asks.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  CHECK(has(asks.answer(), "\r\nConnection: Keep-Alive\r\n"));
  REQUIRE(asks.send("GET / HTTP/1.0\r\n\r\n"));
  CHECK(status_of(asks.answer()) == 200);
}

TEST_CASE("a request knows where it came from and who it is") {
  TestServer server;
  RawSocket client(server.port());
  REQUIRE(client.send(get("/who", "REMOTE_ADDR: 192.0.2.1\r\n")));
  CHECK(body_of_answer(client.answer()) == "127.0.0.1 plain nobody");
}

TEST_CASE("a port that is taken is an error, not a shared port") {
  TestServer server;
  http::ServerOptions options;
  options.listeners.emplace_back();
  options.listeners.back().port = server.port();
  http::Server second(std::move(options));
  const auto started = second.start([](http::Request&) { return http::Response(); });
  REQUIRE_FALSE(started);
  CHECK(started.error().code() == Code::kUnavailable);
}

TEST_CASE("an inherited socket is served") {
  auto listeners = net::listen_on("127.0.0.1", 0);
  REQUIRE(listeners);
  TestServer server([&](http::ServerOptions& options) {
    options.listeners.back().adopted = std::move(listeners->front().fd);
  });
  CHECK(server.port() == listeners->front().bound.port);
  RawSocket client(server.port());
  REQUIRE(client.send(get("/")));
  CHECK(status_of(client.answer()) == 200);
}

TEST_CASE("the process keeps its SIGPIPE") {
  struct sigaction before {};
  sigaction(SIGPIPE, nullptr, &before);
  TestServer server;
  struct sigaction after {};
  sigaction(SIGPIPE, nullptr, &after);
  CHECK(before.sa_handler == after.sa_handler);
}
