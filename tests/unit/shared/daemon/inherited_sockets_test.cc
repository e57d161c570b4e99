#include "shared/daemon/inherited_sockets.h"

#include <unistd.h>

#include <catch2/catch.hpp>

using namespace dynflow;
using namespace dynflow::daemon;

namespace {

// A socket as a service manager has it, beside the copy that it gives away.
struct Held {
  net::ListeningSocket socket;
  NamedSocket copy(std::string name) const { return {std::move(name), Fd(::dup(socket.fd.get()))}; }
  std::uint16_t port() const { return socket.bound.port; }
};

Held hold(const std::string& host = "127.0.0.1") {
  auto opened = net::listen_on(host, 0);
  REQUIRE(opened);
  return {std::move(opened->front())};
}

std::vector<NamedSocket> list(NamedSocket one) {
  std::vector<NamedSocket> all;
  all.push_back(std::move(one));
  return all;
}

}  // namespace

TEST_CASE("a socket that is there is taken, what lacks is opened") {
  const Held http = hold();
  const auto opened = open_listeners({{"http", "127.0.0.1", http.port()}, {"https", "127.0.0.1", 0}}, list(http.copy("http")));
  REQUIRE(opened);
  REQUIRE(opened->sockets.size() == 2);
  CHECK(opened->sockets[0].is_inherited);
  CHECK(opened->sockets[0].kind == "http");
  CHECK(opened->sockets[0].socket.bound.port == http.port());
  CHECK_FALSE(opened->sockets[1].is_inherited);
  CHECK(opened->sockets[1].kind == "https");
  CHECK(opened->stale.empty());
}

TEST_CASE("the name of the unit's socket may say nothing, and must not say the wrong thing") {
  const Held one = hold();
  const std::vector<WantedListener> wanted{{"http", "127.0.0.1", one.port()}};
  for (const std::string name : {"http", "foreman-proxy.socket", "unknown", "stored-http-127.0.0.1_1"}) {
    CHECK(open_listeners(wanted, list(one.copy(name))));
  }
  for (const std::string name : {"https", "stored-https-127.0.0.1_1"}) {
    const auto refused = open_listeners(wanted, list(one.copy(name)));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == Code::kInvalid);
    CHECK(refused.error().message().find("is called " + name) != std::string::npos);
  }
}

TEST_CASE("a socket of a unit that nobody wants is refused, one from before is given back") {
  const Held wanted = hold();
  const Held other = hold();
  const std::vector<WantedListener> listeners{{"http", "127.0.0.1", wanted.port()}};
  std::vector<NamedSocket> sockets;
  sockets.push_back(wanted.copy("http"));
  sockets.push_back(other.copy("http"));
  const auto refused = open_listeners(listeners, std::move(sockets));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().find("127.0.0.1:" + std::to_string(other.port())) != std::string::npos);

  const std::string name = stored_name("http", other.socket.bound);
  sockets.clear();
  sockets.push_back(wanted.copy("http"));
  sockets.push_back(other.copy(name));
  const auto opened = open_listeners(listeners, std::move(sockets));
  REQUIRE(opened);
  CHECK(opened->sockets.size() == 1);
  CHECK(opened->stale == std::vector<std::string>{name});
}

TEST_CASE("names of kept sockets have no colon") {
  CHECK(stored_name("http", {"127.0.0.1", 8000}) == "stored-http-127.0.0.1_8000");
  CHECK(stored_name("https", {"::", 8443}) == "stored-https-[__]_8443");
}

TEST_CASE("what is no listening socket is refused") {
  const auto refused = open_listeners({}, list({"http", Fd(::dup(STDERR_FILENO))}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Code::kInvalid);
  CHECK(refused.error().message().find("the socket \"http\" from the service manager") != std::string::npos);
}
