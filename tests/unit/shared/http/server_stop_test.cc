#include <unistd.h>

#include <catch2/catch.hpp>

#include "shared/base/thread.h"
#include "shared/net/socket.h"
#include "tests/unit/shared/http/raw_client.h"
#include "tests/unit/shared/http/test_server.h"

using namespace dynflow;
using namespace dynflow::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kWaits = "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kPlain = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

TEST_CASE("stopping closes idle connections and finishes what runs and waits") {
  TestServer server([](http::ServerOptions& options) { options.max_workers = 1; });
  RawSocket idle(server.port()), running(server.port()), queued(server.port());
  REQUIRE(idle.send(kPlain));
  REQUIRE(status_of(idle.answer()) == 200);
  REQUIRE(running.send(kWaits));
  REQUIRE(server.gate.wait_for(1));
  REQUIRE(queued.send(kPlain));
  REQUIRE(eventually([&] { return server.server.load().queued == 1; }));
  NamedThread stopper("stopper", [&] { server.server.stop(Deadline::after(10s)); });
  CHECK(idle.is_closed());
  server.gate.open();
  for (RawSocket* client : {&running, &queued}) {
    const std::string answer = client->answer();
    CHECK(status_of(answer) == 200);
    CHECK(answer.find("\r\nConnection: close\r\n") != std::string::npos);
    CHECK(client->is_closed());
  }
  stopper.join();
  CHECK_THROWS(RawSocket(server.port()));
}

TEST_CASE("at the deadline what is left is cut") {
  TestServer server;
  RawSocket dripping(server.port());
  REQUIRE(dripping.send("GET / HTTP/1.1\r\n"));
  RawSocket uploading(server.port());
  REQUIRE(uploading.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + std::string(100'000, 'x')));
  REQUIRE(eventually([&] { return server.server.load().workers >= 1 && server.server.load().connections == 2; }));
  server.server.stop(Deadline::after(20ms));
  CHECK(dripping.is_closed());
  CHECK(status_of(uploading.rest()) != 200);
}

TEST_CASE("while it drains, those who come late are told so at once") {
  TestServer server;
  RawSocket running(server.port());
  REQUIRE(running.send(kWaits));
  REQUIRE(server.gate.wait_for(1));
  NamedThread drainer("drainer", [&] { server.server.drain(http::Server::Latecomers::kRefused, Deadline::after(20s)); });
  CHECK(eventually([&] {
    RawSocket late(server.port());
    if (!late.send(kPlain)) return false;
    const std::string answer = late.answer();
    return status_of(answer) == 503 && answer.find("\r\nRetry-After: 1\r\n") != std::string::npos &&
           answer.find("\r\nConnection: close\r\n") != std::string::npos;
  }));
  server.gate.open();
  CHECK(status_of(running.answer()) == 200);
  drainer.join();
  server.server.stop(Deadline::after(10s));
  CHECK_THROWS(RawSocket(server.port()));
}

TEST_CASE("those who wait in the queue of the socket are served by the next server") {
  TestServer first;
  RawSocket running(first.port());
  REQUIRE(running.send(kWaits));
  REQUIRE(first.gate.wait_for(1));
  // As a service manager does, the test has the socket, too.
  auto socket = net::listen_on("127.0.0.1", 0);
  REQUIRE(socket);
  const std::uint16_t port = socket->front().bound.port;
  auto options = [&] {
    http::ServerOptions made;
    made.listeners.emplace_back().adopted = Fd(::dup(socket->front().fd.get()));
    return made;
  };
  http::Server old_one(options());
  REQUIRE(old_one.start([](http::Request&) { return http::text_response(200, "old"); }));
  RawSocket early(port);
  REQUIRE(early.send(kPlain));
  CHECK(early.answer().find("old") != std::string::npos);
  old_one.drain(http::Server::Latecomers::kWait, Deadline::after(10s));
  RawSocket waiting(port);
  REQUIRE(waiting.send(kPlain));
  old_one.stop(Deadline::after(10s));
  http::Server new_one(options());
  REQUIRE(new_one.start([](http::Request&) { return http::text_response(200, "new"); }));
  CHECK(waiting.answer().find("new") != std::string::npos);
  first.gate.open();
}

TEST_CASE("what no handler has begun with by the end of the grace is refused") {
  TestServer server([](http::ServerOptions& options) { options.max_workers = 1; });
  RawSocket running(server.port()), queued(server.port());
  REQUIRE(running.send(kWaits));
  REQUIRE(server.gate.wait_for(1));
  REQUIRE(queued.send(kPlain));
  REQUIRE(eventually([&] { return server.server.load().queued == 1; }));
  server.server.drain(http::Server::Latecomers::kWait, Deadline::after(20ms));
  server.gate.open();
  CHECK(status_of(running.answer()) == 200);
  CHECK(status_of(queued.answer()) == 503);
  server.server.stop(Deadline::after(10s));
}

TEST_CASE("a server that turns says so, and so does one that has ended") {
  http::Server never(http::ServerOptions{});
  CHECK(never.has_turned());
  TestServer server;
  CHECK(eventually([&] { return server.server.has_turned(); }));
  CHECK(eventually([&] { return server.server.has_turned(); }));
  server.server.stop(Deadline::after(1s));
  CHECK(server.server.has_turned());
  CHECK(server.server.has_turned());
}

TEST_CASE("stopping is harmless twice and before the start") {
  http::Server never(http::ServerOptions{});
  never.stop(Deadline::after(0s));
  TestServer server;
  server.server.stop(Deadline::after(1s));
  server.server.stop(Deadline::after(1s));
}

TEST_CASE("a stop under load loses no request that was begun") {
  TestServer server;
  std::atomic<int> answered{0}, broken{0};
  std::vector<NamedThread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back("client", [&] {
      try {
        for (;;) {
          RawSocket client(server.port());
          for (;;) {
            if (!client.send(kPlain)) break;
            const std::string answer = client.answer();
            // Nothing at all: the connection was closed before the request reached the server.
            if (answer.empty()) break;
            (status_of(answer) == 200 ? answered : broken)++;
            if (answer.find("Connection: close") != std::string::npos) break;
          }
        }
      } catch (const std::exception&) {
        // The listener is gone: the end of this test's clients.
      }
    });
  }
  CHECK(eventually([&] { return answered > 200; }));
  server.server.stop(Deadline::after(10s));
  for (NamedThread& client : clients) client.join();
  CHECK(broken == 0);
}
