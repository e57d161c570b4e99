#include "core_service/access.h"

#include <catch2/catch.hpp>

#include "shared/base/base64.h"
#include "shared/net/peer_certificate.h"
#include "tests/unit/proxy/certificates.h"

using namespace dynflow;
using namespace dynflow::core_service;
using dynflow::proxy::kForemanPem;
using dynflow::proxy::kNamelessPem;

namespace {

http::Request tls(const char* pem) {
  http::Request request;
  request.peer.is_tls = true;
  if (pem != nullptr) request.peer.certificate = *net::PeerCertificate::from_pem(pem);
  return request;
}

std::shared_ptr<const net::PeerCertificate> certificate(const char* pem) { return *net::PeerCertificate::from_pem(pem); }

std::string field_of(const char* pem) { return ":" + base64_encode(certificate(pem)->der()) + ":"; }

Access foreman_is_the_proxy() { return Access::for_proxy(net::CertificatePins::of_serial(*certificate(kForemanPem))); }

}  // namespace

TEST_CASE("over https only the proxy's own certificate is let in", "[access]") {
  const Access access = foreman_is_the_proxy();
  auto from_proxy = tls(kForemanPem);
  CHECK_FALSE(access.admit(from_proxy));
  auto from_nobody = tls(nullptr);
  CHECK(access.admit(from_nobody) == "No client SSL certificate supplied");
  auto from_other = tls(kNamelessPem);
  CHECK(access.admit(from_other) == "SSL certificate with unexpected serial supplied");
  auto pinned = tls(kNamelessPem);
  CHECK(Access::for_proxy(net::CertificatePins::of({"foreman.example.com"}, {})).admit(pinned) ==
        "SSL certificate of another client than the proxy supplied");
}

TEST_CASE("without rules for https nobody gets in over https", "[access]") {
  auto request = tls(kForemanPem);
  CHECK(Access().admit(request));
}

TEST_CASE("over http nobody is asked", "[access]") {
  http::Request request;
  CHECK_FALSE(Access().admit(request));
}

TEST_CASE("a request of the proxy becomes its client's", "[access]") {
  auto request = tls(kForemanPem);
  request.headers.add("X-Forwarded-Proto", "https");
  request.headers.add("X-Real-IP", "192.0.2.7");
  request.headers.add("Client-Cert", field_of(kNamelessPem));
  CHECK_FALSE(foreman_is_the_proxy().admit(request));
  CHECK(request.peer.address == "192.0.2.7");
  CHECK(request.peer.is_tls);
  REQUIRE(request.peer.certificate);
  CHECK(request.peer.certificate->subject() == "/O=Nobody");
  CHECK_FALSE(request.headers.has("Client-Cert"));
}

TEST_CASE("a client of the proxy without a certificate is refused, unless it came over http", "[access]") {
  auto over_https = tls(kForemanPem);
  over_https.headers.add("X-Forwarded-Proto", "https");
  CHECK(foreman_is_the_proxy().admit(over_https) == "No client SSL certificate supplied");
  // Then the proxy judged by the name of its address.
  auto over_http = tls(kForemanPem);
  over_http.headers.add("X-Forwarded-Proto", "http");
  over_http.headers.add("X-Real-IP", "192.0.2.7");
  CHECK_FALSE(foreman_is_the_proxy().admit(over_http));
  CHECK_FALSE(over_http.peer.is_tls);
  CHECK(http::describe(over_http.peer) == "192.0.2.7");
}

TEST_CASE("a Client-Cert field that holds no certificate is refused", "[access]") {
  for (const std::string& field : {std::string(":Zm9v:"), std::string("Zm9v"), std::string(":"), std::string("::"), std::string(":%%:"), std::string()}) {
    INFO(field);
    auto request = tls(kForemanPem);
    request.headers.add("X-Forwarded-Proto", "https");
    request.headers.add("Client-Cert", field);
    CHECK(foreman_is_the_proxy().admit(request));
  }
}

TEST_CASE("only the proxy may say for whom it asks", "[access]") {
  for (const char* pem : {static_cast<const char*>(nullptr), kNamelessPem}) {
    auto request = tls(pem);
    request.peer.address = "192.0.2.1";
    request.headers.add("X-Forwarded-Proto", "https");
    request.headers.add("X-Real-IP", "192.0.2.7");
    request.headers.add("client-cert", field_of(kForemanPem));
    request.headers.add("Client-Cert-Chain", field_of(kForemanPem));
    request.headers.add("Accept", "*/*");
    CHECK(foreman_is_the_proxy().admit(request));
    CHECK(request.peer.address == "192.0.2.1");
    for (const char* gone : {"Client-Cert", "Client-Cert-Chain", "X-Real-IP"}) CHECK_FALSE(request.headers.has(gone));
    CHECK(request.headers.has("Accept"));
  }
  http::Request plain;
  plain.peer.address = "192.0.2.1";
  plain.headers.add("X-Forwarded-Proto", "https");
  plain.headers.add("Client-Cert", field_of(kForemanPem));
  CHECK_FALSE(Access().admit(plain));
  CHECK_FALSE(plain.headers.has("Client-Cert"));
  CHECK_FALSE(plain.peer.certificate);
}
