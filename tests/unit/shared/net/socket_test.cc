#include "shared/net/socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "shared/net/resolver.h"

using namespace dynflow;
using namespace dynflow::net;
using namespace std::chrono_literals;

namespace {

int option(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  getsockopt(fd, SOL_SOCKET, name, &value, &size);
  return value;
}

bool is_close_on_exec(int fd) { return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }
bool is_non_blocking(int fd) { return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }

AcceptedSocket accept_one(int listener) {
  pollfd wait{listener, POLLIN, 0};
  REQUIRE(::poll(&wait, 1, 5000) == 1);
  auto accepted = accept_from(listener);
  REQUIRE(accepted);
  return std::move(*accepted);
}

}  // namespace

TEST_CASE("a second listener on a port fails instead of sharing it") {
  auto first = listen_on("127.0.0.1", 0);
  REQUIRE(first);
  const ListeningSocket& listener = first->front();
  CHECK(listener.bound.address == "127.0.0.1");
  CHECK(listener.bound.port != 0);
  CHECK(option(listener.fd.get(), SO_REUSEADDR) == 1);
  CHECK(option(listener.fd.get(), SO_REUSEPORT) == 0);
  CHECK(is_close_on_exec(listener.fd.get()));
  CHECK(is_non_blocking(listener.fd.get()));
  auto second = listen_on("127.0.0.1", listener.bound.port);
  REQUIRE_FALSE(second);
  CHECK(second.error().code() == Code::kUnavailable);
}

TEST_CASE("a star is both families on one port") {
  auto sockets = listen_on("*", 0);
  REQUIRE(sockets);
  CHECK(sockets->front().bound.address == "0.0.0.0");
  for (const auto& socket : *sockets) CHECK(socket.bound.port == sockets->front().bound.port);
  if (sockets->size() > 1) CHECK((*sockets)[1].bound.address == "::");
}

TEST_CASE("an unknown name cannot be listened on") {
  auto sockets = listen_on("no such host", 0);
  REQUIRE_FALSE(sockets);
  CHECK(sockets.error().code() == Code::kNotFound);
}

TEST_CASE("connections know their ends") {
  auto listeners = listen_on("127.0.0.1", 0);
  REQUIRE(listeners);
  const ListeningSocket& listener = listeners->front();
  auto client = connect_to({listener.bound}, Deadline::after(5s));
  REQUIRE(client);
  const AcceptedSocket server = accept_one(listener.fd.get());
  CHECK(server.peer.address == "127.0.0.1");
  CHECK(server.peer.port == local_endpoint(client->get()).port);
  CHECK(is_close_on_exec(server.fd.get()));
  CHECK(is_non_blocking(server.fd.get()));
  auto nobody = accept_from(listener.fd.get());
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().code() == Code::kBusy);
}

TEST_CASE("a dead address does not hide a living one") {
  auto dead = listen_on("127.0.0.1", 0);
  auto living = listen_on("127.0.0.1", 0);
  REQUIRE((dead && living));
  const Endpoint gone = dead->front().bound;
  dead->front().fd.reset();
  CHECK(connect_to({gone, living->front().bound}, Deadline::after(5s)));
  auto refused = connect_to({gone}, Deadline::after(5s));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Code::kUnavailable);
}

TEST_CASE("only listening sockets are adopted") {
  auto listeners = listen_on("127.0.0.1", 0);
  REQUIRE(listeners);
  const Endpoint bound = listeners->front().bound;
  auto adopted = adopt_listener(Fd(fcntl(listeners->front().fd.get(), F_DUPFD, 3)));
  REQUIRE(adopted);
  CHECK(adopted->bound.port == bound.port);
  CHECK(is_close_on_exec(adopted->fd.get()));
  auto refused = adopt_listener(Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Code::kInvalid);
}

TEST_CASE("endpoints are written as in URLs") {
  CHECK(to_string(Endpoint{"127.0.0.1", 8000}) == "127.0.0.1:8000");
  CHECK(to_string(Endpoint{"::1", 8000}) == "[::1]:8000");
  CHECK(to_string(Endpoint{}).empty());
}

TEST_CASE("addresses resolve to themselves, names to addresses") {
  Resolver resolver;
  auto itself = resolver.addresses_of("192.0.2.7", 443, Deadline::after(5s));
  REQUIRE(itself);
  REQUIRE(itself->size() == 1);
  CHECK(to_string(itself->front()) == "192.0.2.7:443");
  auto local = resolver.addresses_of("localhost", 80, Deadline::after(10s));
  REQUIRE(local);
  CHECK_FALSE(local->empty());
  CHECK(is_address("::1"));
  CHECK_FALSE(is_address("localhost"));
  auto wrong = resolver.name_of("not an address", Deadline::after(5s));
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code() == Code::kInvalid);
}

TEST_CASE("a lookup gives up at its deadline") {
  Resolver resolver;
  auto late = resolver.addresses_of("localhost", 80, Deadline::at(system_clock().instant() - 1s));
  // The answer may already be there when the wait begins; what must not happen is a wait.
  if (!late) CHECK(late.error().code() == Code::kTimeout);
}
