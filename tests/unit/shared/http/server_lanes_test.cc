// Requests of the background give way to those of the foreground, whatever comes and in whatever order.

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "tests/unit/shared/http/raw_client.h"
#include "tests/unit/shared/http/test_server.h"

using namespace dynflow;
using namespace dynflow::test;

namespace {

// /waits is the background; everything else the foreground.
void two_lanes(http::ServerOptions& options) {
  options.lane = [](const http::RequestHead& head) {
    return head.target == "/waits" ? http::Lane::kBackground : http::Lane::kForeground;
  };
  options.max_workers = 4;
  options.max_background_workers = 2;
}

constexpr std::string_view kWaits = "GET /waits HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kPlain = "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n";

std::vector<RawSocket> clients_that_wait(TestServer& server, std::size_t count) {
  std::vector<RawSocket> clients;
  for (std::size_t i = 0; i < count; ++i) REQUIRE(clients.emplace_back(server.port()).send(kWaits));
  return clients;
}

}  // namespace

TEST_CASE("a background that hangs leaves workers for the foreground") {
  TestServer server(two_lanes);
  auto background = clients_that_wait(server, 10);
  REQUIRE(server.gate.wait_for(2));
  REQUIRE(eventually([&] { return server.server.load().queued == 8; }));
  for (int i = 0; i < 20; ++i) {
    RawSocket client(server.port());
    REQUIRE(client.send(kPlain));
    CHECK(status_of(client.answer()) == 200);
  }
  server.gate.open();
  for (RawSocket& client : background) CHECK(status_of(client.answer()) == 200);
}

TEST_CASE("the background's queue is bounded for itself") {
  TestServer server([](http::ServerOptions& options) {
    two_lanes(options);
    options.max_queue = 3;
  });
  auto background = clients_that_wait(server, 2);
  REQUIRE(server.gate.wait_for(2));
  for (RawSocket& client : clients_that_wait(server, 3)) background.push_back(std::move(client));
  REQUIRE(eventually([&] { return server.server.load().queued == 3; }));
  RawSocket one_more(server.port());
  REQUIRE(one_more.send(kWaits));
  const std::string refused = one_more.answer();
  CHECK(status_of(refused) == 503);
  CHECK(refused.find("\r\nRetry-After: 1\r\n") != std::string::npos);
  RawSocket foreground(server.port());
  REQUIRE(foreground.send(kPlain));
  CHECK(status_of(foreground.answer()) == 200);
  server.gate.open();
  for (RawSocket& client : background) CHECK(status_of(client.answer()) == 200);
}

TEST_CASE("a connection that changes lanes waits for a place there") {
  TestServer server(two_lanes);
  auto background = clients_that_wait(server, 2);
  REQUIRE(server.gate.wait_for(2));
  RawSocket both(server.port());
  REQUIRE(both.send(std::string(kPlain) + std::string(kWaits)));
  CHECK(status_of(both.answer()) == 200);
  REQUIRE(eventually([&] { return server.server.load().queued == 1; }));
  server.gate.open();
  CHECK(status_of(both.answer()) == 200);
}

TEST_CASE("both lanes are served under load, and a stop serves what is queued") {
  TestServer server(two_lanes);
  server.gate.open();
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      RawSocket client(server.port());
      for (int j = 0; j < 200; ++j) {
        client.send((i + j) % 2 == 0 ? kPlain : kWaits);
        if (status_of(client.answer()) == 200) ++answered;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(answered == 1600);
}

TEST_CASE("a stop serves the queued background, too") {
  TestServer server(two_lanes);
  auto background = clients_that_wait(server, 6);
  REQUIRE(server.gate.wait_for(2));
  REQUIRE(eventually([&] { return server.server.load().queued == 4; }));
  std::thread stopping([&] { server.server.stop(Deadline::after(std::chrono::seconds(20))); });
  server.gate.open();
  for (RawSocket& client : background) CHECK(status_of(client.answer()) == 200);
  stopping.join();
}

TEST_CASE("whoever drips a long body holds no worker") {
  TestServer server([](http::ServerOptions& options) { options.max_workers = 1; });
  std::vector<RawSocket> dripping;
  for (int i = 0; i < 5; ++i) {
    REQUIRE(dripping.emplace_back(server.port()).send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc"));
  }
  RawSocket client(server.port());
  REQUIRE(client.send(kPlain));
  CHECK(status_of(client.answer()) == 200);
  // Bodies that come are taken whole.
  RawSocket long_body(server.port());
  const std::string body(300'000, 'x');
  REQUIRE(long_body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + body));
  CHECK(body_of_answer(long_body.answer()) == body);
}
