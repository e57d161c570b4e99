#include <catch2/catch.hpp>
#include <mutex>

#include "shared/http/client.h"
#include "tests/unit/shared/http/raw_client.h"
#include "tests/unit/shared/http/test_server.h"
#include "tests/unit/shared/net/certificates.h"

using namespace dynflow;
using namespace dynflow::test;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const net::TlsServerContext> server_context(const Certificates& ca, const Certificates::Files& own) {
  auto context = net::TlsServerContext::create({own.certificate, own.key, ca.ca_file(), {}, {}});
  REQUIRE(context);
  return *context;
}

http::ClientOptions client_to(std::uint16_t port, const Certificates& ca, const Certificates::Files& own = {}) {
  auto context = net::TlsClientContext::create({ca.ca_file(), own.certificate, own.key});
  REQUIRE(context);
  http::ClientOptions options;
  options.host = "127.0.0.1";
  options.port = port;
  options.tls = *context;
  return options;
}

std::string who(http::ClientPool& pool) {
  auto response = pool.send("GET", "/who", {}, nullptr, Deadline::after(10s));
  if (!response) return std::string(to_string(response.error().code()));
  return http::read_all(*response->body, 1000).value();
}

}  // namespace

TEST_CASE("a TLS request carries the client's certificate when there is one") {
  Certificates ca, others;
  const auto context = server_context(ca, ca.issue("localhost"));
  TestServer server([&](http::ServerOptions& options) { options.listeners.back().tls = [context] { return context; }; });
  http::ClientPool nobody(client_to(server.port(), ca));
  CHECK(who(nobody) == "127.0.0.1 tls nobody");
  CHECK(who(nobody) == "127.0.0.1 tls nobody");
  CHECK(nobody.load().open == 1);
  http::ClientPool foreman(client_to(server.port(), ca, ca.issue("foreman.example.com")));
  CHECK(who(foreman) == "127.0.0.1 tls foreman.example.com");
  http::ClientPool stranger(client_to(server.port(), ca, others.issue("foreman.example.com")));
  CHECK(who(stranger) != "127.0.0.1 tls foreman.example.com");
  http::ClientPool distrusting(client_to(server.port(), others));
  CHECK(who(distrusting) == "unavailable");
}

TEST_CASE("large bodies pass both ways under TLS") {
  Certificates ca;
  const auto context = server_context(ca, ca.issue("localhost", Certificates::Key::kRsa));
  TestServer server([&](http::ServerOptions& options) { options.listeners.back().tls = [context] { return context; }; });
  http::ClientPool pool(client_to(server.port(), ca));
  const std::string text(3'000'000, 'z');
  for (int i = 0; i < 2; ++i) {
    const auto body = http::body_of(text);
    auto response = pool.send("POST", "/echo", {}, body.get(), Deadline::after(20s));
    REQUIRE(response);
    CHECK(http::read_all(*response->body, 4'000'000).value() == text);
  }
  CHECK(pool.load().idle == 1);
}

TEST_CASE("a new certificate serves new connections, old ones go on") {
  Certificates first, second;
  std::mutex mutex;
  auto current = server_context(first, first.issue("localhost"));
  TestServer server([&](http::ServerOptions& options) {
    options.listeners.back().tls = [&] {
      const std::lock_guard lock(mutex);
      return current;
    };
  });
  http::ClientPool old(client_to(server.port(), first));
  CHECK(who(old) == "127.0.0.1 tls nobody");
  {
    const std::lock_guard lock(mutex);
    current = server_context(second, second.issue("localhost"));
  }
  http::ClientPool fresh(client_to(server.port(), second));
  CHECK(who(fresh) == "127.0.0.1 tls nobody");
  CHECK(who(old) == "127.0.0.1 tls nobody");
  old.close_idle();
  CHECK(who(old) == "unavailable");
}

TEST_CASE("a handshake that does not come is cut, plain HTTP gets no answer") {
  Certificates ca;
  const auto context = server_context(ca, ca.issue("localhost"));
  TestServer server([&](http::ServerOptions& options) {
    options.listeners.back().tls = [context] { return context; };
    options.handshake_deadline = 50ms;
  });
  RawSocket silent(server.port());
  CHECK(silent.is_closed());
  RawSocket plain(server.port());
  plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(status_of(plain.rest()) == 0);
  CHECK(eventually([&] { return server.server.load().connections == 0; }));
}
