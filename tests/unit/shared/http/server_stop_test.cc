#include <catch2/catch.hpp>

#include "shared/base/thread.h"
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
  REQUIRE(uploading.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nabc"));
  REQUIRE(eventually([&] { return server.server.load().workers >= 1 && server.server.load().connections == 2; }));
  server.server.stop(Deadline::after(20ms));
  CHECK(dripping.is_closed());
  CHECK(status_of(uploading.rest()) != 200);
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
