// What outsiders may try against a running server, by raw sockets.
#include <catch2/catch.hpp>

#include <algorithm>
#include <thread>

#include "shared/http/head.h"
#include "tests/unit/shared/http/raw_client.h"
#include "tests/unit/shared/http/test_server.h"

using namespace dynflow;
using namespace dynflow::test;
using namespace std::chrono_literals;

namespace {

std::string with(const std::string& fields) { return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n\r\n"; }

}  // namespace

TEST_CASE("malformed requests get one refusal and the connection ends") {
  TestServer server;
  const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::vector<std::pair<std::string, int>> rows = {
      {with("Content-Length: 5\r\nContent-Length: 6") + "hello", 400},
      {with("Content-Length: 5\r\nTransfer-Encoding: chunked") + "0\r\n\r\n", 400},
      {with("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", 501},
      {with("Content-Length : 5") + "hello", 400},
      {with("A: b\r\n folded: c"), 400},
      {"GET / HTTP/1.1\nHost: a\n\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
      {"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", 501},
      {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {with("Expect: nothing"), 417},
      {with(std::string("A: b\0c", 6)), 400},
      {with("Transfer-Encoding: chunked") + "-2\r\nab\r\n0\r\n\r\n", 400},
      {with("Transfer-Encoding: chunked") + "fffffffffffffffff\r\nab\r\n0\r\n\r\n", 413},
      {with("Transfer-Encoding: chunked") + "2\r\nabc\r\n0\r\n\r\n", 400},
      {with("Content-Length: 999999999999"), 413},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400},
  };
  for (const auto& [bytes, status] : rows) {
    CAPTURE(bytes);
    RawSocket client(server.port());
    client.send(bytes + smuggled);
    const std::string all = client.rest();
    CHECK(status_of(all) == status);
    CHECK(all.find("Connection: close") != std::string::npos);
    // Nothing behind a refused request is looked at.
    CHECK(all.find("\nHTTP/1.1") == std::string::npos);
    CHECK(all.find("smuggled") == std::string::npos);
  }
}

TEST_CASE("endless lines and heads are cut off early") {
  TestServer server;
  const auto flood = [&](const std::string& start, const std::string& more) {
    RawSocket client(server.port());
    client.send(start);
    std::size_t sent = 0;
    // 64 MiB would be taken by a server without limits.
    while (sent < 64u * 1024 * 1024 && client.send(more)) sent += more.size();
    CHECK(sent < 64u * 1024 * 1024);
    return status_of(client.rest());
  };
  // The refusal itself may be lost to the reset that a flood earns.
  const int line = flood("GET /", std::string(65536, 'a'));
  CHECK((line == 414 || line == 0));
  const int field = flood("GET / HTTP/1.1\r\nA: ", std::string(65536, 'a'));
  CHECK((field == 431 || field == 0));
  std::string fields;
  for (int i = 0; i < 20'000; ++i) fields += "A: b\r\n";
  RawSocket client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\n" + fields);
  CHECK(status_of(client.rest()) == 431);
}

TEST_CASE("the limits themselves are allowed") {
  TestServer server;
  RawSocket client(server.port());
  const std::string target = "/" + std::string(http::kMaxStartLine - std::string("GET / HTTP/1.1").size(), 'a');
  std::string fields;
  for (std::size_t i = 1; i < http::kMaxFields; ++i) fields += "A: b\r\n";
  REQUIRE(client.send("GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"));
  CHECK(status_of(client.answer()) == 200);
}

TEST_CASE("slow and silent clients are cut at their deadlines") {
  TestServer server([](http::ServerOptions& options) {
    options.head_deadline = options.body_deadline = options.idle_deadline = 50ms;
  });
  const std::string start = GENERATE("", "GET / HTTP/1.1\r\n", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
                                     "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc");
  RawSocket client(server.port());
  REQUIRE(client.send(start));
  CHECK(client.is_closed());
  CHECK(eventually([&] { return server.server.load().connections == 0; }));
}

TEST_CASE("idle connections end after their time") {
  TestServer server([](http::ServerOptions& options) { options.idle_deadline = 30ms; });
  RawSocket client(server.port());
  REQUIRE(client.send(with("A: b")));
  CHECK(status_of(client.answer()) == 200);
  CHECK(client.is_closed());
}

TEST_CASE("a long body that stops coming fails the read, not the server") {
  TestServer server([](http::ServerOptions& options) { options.body_deadline = 50ms; });
  RawSocket client(server.port());
  REQUIRE(client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + std::string(70'000, 'x')));
  CHECK(status_of(client.answer()) == 504);
  CHECK(client.is_closed());
  // Before it is worth a worker nobody is there to answer.
  RawSocket early(server.port());
  REQUIRE(early.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc"));
  CHECK(early.is_closed());
}

TEST_CASE("hundreds of idle and dripping connections hold no thread") {
  TestServer server([](http::ServerOptions& options) { options.max_workers = 2; });
  std::vector<RawSocket> others;
  for (int i = 0; i < 500; ++i) {
    others.emplace_back(server.port());
    if (i % 2 == 0) REQUIRE(others.back().send("GET / HTTP/1.1\r\nHo"));
    if (i % 4 == 1) REQUIRE(others.back().send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"));
  }
  RawSocket client(server.port());
  REQUIRE(client.send(with("A: b")));
  CHECK(status_of(client.answer()) == 200);
  CHECK(server.server.load().connections == 501);
  CHECK(server.server.load().workers <= 2);
  // They are still there, and served when they make up their minds.
  REQUIRE(others[0].send("st: a\r\n\r\n"));
  CHECK(status_of(others[0].answer()) == 200);
  REQUIRE(others[1].send("llo"));
  CHECK(body_of_answer(others[1].answer()) == "hello");
}

TEST_CASE("a full queue answers 503 at once") {
  TestServer server([](http::ServerOptions& options) {
    options.max_workers = 1;
    options.max_queue = 1;
  });
  const std::string waits = "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n";
  RawSocket running(server.port());
  REQUIRE(running.send(waits));
  REQUIRE(server.gate.wait_for(1));
  RawSocket queued(server.port());
  REQUIRE(queued.send(waits));
  REQUIRE(eventually([&] { return server.server.load().queued == 1; }));
  RawSocket refused(server.port());
  REQUIRE(refused.send(waits));
  const std::string answer = refused.answer();
  CHECK(status_of(answer) == 503);
  CHECK(answer.find("\r\nRetry-After: 1\r\n") != std::string::npos);
  CHECK(refused.is_closed());
  server.gate.open();
  CHECK(status_of(running.answer()) == 200);
  CHECK(status_of(queued.answer()) == 200);
}

TEST_CASE("connections are limited in all and per peer") {
  const bool is_per_peer = GENERATE(true, false);
  TestServer server([&](http::ServerOptions& options) {
    (is_per_peer ? options.max_connections_per_peer : options.max_connections) = 2;
  });
  RawSocket first(server.port()), second(server.port());
  REQUIRE(eventually([&] { return server.server.load().connections == 2; }));
  RawSocket third(server.port());
  CHECK(status_of(third.rest()) == 503);
  first.close();
  REQUIRE(eventually([&] { return server.server.load().connections == 1; }));
  RawSocket fourth(server.port());
  REQUIRE(fourth.send(with("A: b")));
  CHECK(status_of(fourth.answer()) == 200);
}

TEST_CASE("clients that vanish leave nothing behind") {
  TestServer server;
  for (const char* start : {"", "GET / HT", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\nabc",
                            "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    RawSocket client(server.port());
    REQUIRE(client.send(start));
  }
  CHECK(eventually([&] { return server.server.load().connections == 0; }));
}

TEST_CASE("handlers that hang are left to their threads, other requests get further ones") {
  const std::size_t hanging = std::max<std::size_t>(std::thread::hardware_concurrency(), 2) + 2;
  TestServer server([&](http::ServerOptions& options) { options.max_workers = hanging + 1; });
  std::vector<RawSocket> clients;
  for (std::size_t i = 0; i < hanging; ++i) {
    clients.emplace_back(server.port());
    REQUIRE(clients.back().send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n"));
  }
  REQUIRE(server.gate.wait_for(hanging));
  RawSocket other(server.port());
  REQUIRE(other.send(with("A: b")));
  CHECK(status_of(other.answer()) == 200);
  server.gate.open();
  for (RawSocket& client : clients) CHECK(status_of(client.answer()) == 200);
}
