#include "shared/api/console/form_guard.h"

#include <catch2/catch.hpp>

#include "shared/net/peer_certificate.h"
#include "tests/unit/proxy/certificates.h"

using namespace dynflow;
using api::console::FormGuard;
using namespace std::chrono_literals;

namespace {

http::Request request_with(std::vector<std::pair<std::string, std::string>> fields) {
  http::Request request;
  for (auto& [name, value] : fields) request.headers.add(std::move(name), std::move(value));
  return request;
}

http::Peer client_with(const char* pem) { return {"192.0.2.7", true, *net::PeerCertificate::from_pem(pem)}; }

std::string cookie_in(const FormGuard::Ticket& ticket) { return ticket.set_cookie.substr(0, ticket.set_cookie.find(';')); }

}  // namespace

TEST_CASE("a form is taken from whom it was given to, for a while") {
  VirtualClock clock;
  const FormGuard guard(clock);
  const FormGuard::Ticket ticket = guard.ticket(request_with({}));
  CHECK(ticket.set_cookie.ends_with("; HttpOnly; SameSite=Strict"));
  const http::Request mine = request_with({{"Cookie", "other=1; " + cookie_in(ticket)}});
  CHECK_FALSE(guard.objection(mine, ticket.token));

  SECTION("no other token, no other cookie, no other process") {
    for (const std::string& token : {std::string(), std::string("-"), ticket.token + "0", "0" + ticket.token, ticket.token.substr(1),
                                     ticket.token.substr(ticket.token.find('-'))}) {
      CHECK(guard.objection(mine, token));
    }
    CHECK(guard.objection(request_with({}), ticket.token));
    CHECK(guard.objection(request_with({{"Cookie", cookie_in(guard.ticket(request_with({})))}}), ticket.token));
    CHECK(guard.objection(request_with({{"Cookie", "x" + cookie_in(ticket)}}), ticket.token));
    http::Request with_certificate = request_with({{"Cookie", cookie_in(ticket)}});
    with_certificate.peer = client_with(proxy::kForemanPem);
    CHECK(guard.objection(with_certificate, ticket.token));
    CHECK(FormGuard(clock).objection(mine, ticket.token));
  }
  SECTION("a page that lies about for long is loaded again") {
    clock.advance(FormGuard::kTokenAge);
    CHECK_FALSE(guard.objection(mine, ticket.token));
    clock.advance(1s);
    CHECK(guard.objection(mine, ticket.token));
  }
  SECTION("the cookie is kept, one of several is enough") {
    CHECK(guard.ticket(mine).set_cookie.empty());
    CHECK_FALSE(guard.objection(mine, guard.ticket(mine).token));
    const std::string other = cookie_in(guard.ticket(request_with({})));
    CHECK_FALSE(guard.objection(request_with({{"Cookie", other + "; " + cookie_in(ticket)}}), ticket.token));
    // What is no cookie of ours is replaced.
    CHECK_FALSE(guard.ticket(request_with({{"Cookie", "dynflow_console=short"}})).set_cookie.empty());
  }
  SECTION("over TLS the cookie stays there") {
    http::Request tls = request_with({});
    tls.peer.is_tls = true;
    CHECK(guard.ticket(tls).set_cookie.ends_with("; Secure"));
    CHECK(guard.ticket(request_with({{"X-Forwarded-Proto", "https"}})).set_cookie.ends_with("; Secure"));
  }
}

TEST_CASE("a client certificate takes the cookie's place") {
  VirtualClock clock;
  const FormGuard guard(clock);
  http::Request request = request_with({});
  request.peer = client_with(proxy::kForemanPem);
  const FormGuard::Ticket ticket = guard.ticket(request);
  CHECK(ticket.set_cookie.empty());
  CHECK_FALSE(guard.objection(request, ticket.token));
  request.peer = client_with(proxy::kNamelessPem);
  CHECK(guard.objection(request, ticket.token));
  request.peer = {};
  CHECK(guard.objection(request, ticket.token));
}

TEST_CASE("a type that no form can have needs no token") {
  VirtualClock clock;
  const FormGuard guard(clock);
  // No form has this type, but another site's script may try.
  CHECK_FALSE(guard.objection(request_with({{"Content-Type", "application/json; charset=utf-8"}}), ""));
  CHECK(guard.objection(request_with({{"Content-Type", "application/json"}, {"Origin", "https://evil.example.com"}}), ""));
  CHECK(guard.objection(request_with({{"Content-Type", "text/plain"}}), ""));
  // The relay of the Ruby proxy says JSON for every form.
  CHECK(guard.objection(request_with({{"Content-Type", "application/json"}, {"Accept", "*/*, application/json,version=2"}}), ""));
}
