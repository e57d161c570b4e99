#include "core_service/access.h"

#include <strings.h>

#include <algorithm>
#include <array>

#include "shared/base/base64.h"
#include "shared/net/peer_certificate.h"

namespace dynflow::core_service {
namespace {

constexpr std::string_view kNoCertificate = "No client SSL certificate supplied";

// What only the proxy may say about a client.
bool is_claim(std::string_view name) {
  constexpr std::array<std::string_view, 3> kClaims{"Client-Cert", "Client-Cert-Chain", "X-Real-IP"};
  return std::any_of(kClaims.begin(), kClaims.end(), [&](std::string_view claim) {
    return claim.size() == name.size() && strncasecmp(claim.data(), name.data(), name.size()) == 0;
  });
}

void drop_claims(http::Request& request) {
  request.headers.remove_if([](const std::string& name, const std::string&) { return is_claim(name); });
}

}  // namespace

Access Access::for_proxy(net::CertificatePins proxy) {
  Access access;
  access.proxy_ = std::move(proxy);
  return access;
}

std::optional<std::string> Access::admit(http::Request& request) const {
  std::optional<std::string> refusal;
  if (request.peer.is_tls && !request.peer.certificate) {
    refusal = kNoCertificate;
  } else if (request.peer.is_tls && !(proxy_ && proxy_->admit(*request.peer.certificate))) {
    refusal = proxy_ && proxy_->is_by_serial() ? "SSL certificate with unexpected serial supplied" : "SSL certificate of another client than the proxy supplied";
  } else if (request.peer.is_tls) {
    refusal = introduce_client(request);
  }
  drop_claims(request);
  return refusal;
}

std::optional<std::string> Access::introduce_client(http::Request& request) const {
  // Upstream's relay tells nothing of its client, and our own proxy has questions of its own.
  const auto scheme = request.headers.get("X-Forwarded-Proto");
  const auto field = request.headers.get("Client-Cert");
  if (!scheme && !field) return std::nullopt;

  http::Peer client;
  client.address = request.headers.get("X-Real-IP").value_or("");
  client.is_tls = scheme == "https";
  if (field) {
    auto certificate = parse_client_cert(*field);
    if (!certificate) return "The proxy's Client-Cert field " + certificate.error().message();
    client.certificate = *std::move(certificate);
  }
  request.peer = std::move(client);
  // The proxy should have said so itself.
  if (request.peer.is_tls && !request.peer.certificate) return std::string(kNoCertificate);
  return std::nullopt;
}

Result<std::shared_ptr<const net::PeerCertificate>> parse_client_cert(std::string_view field) {
  const bool is_framed = field.size() > 2 && field.front() == ':' && field.back() == ':';
  const auto der = is_framed ? base64_decode(field.substr(1, field.size() - 2)) : std::nullopt;
  if (!der) return Error(Code::kInvalid, "is no byte sequence");
  auto certificate = net::PeerCertificate::from_der(*der);
  if (!certificate) return Error(Code::kInvalid, "holds no certificate");
  return certificate;
}

}  // namespace dynflow::core_service
