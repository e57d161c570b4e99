#include "core_service/access.h"

#include <fstream>
#include <sstream>

#include "shared/net/peer_certificate.h"

namespace dynflow::core_service {

Result<Access> Access::for_client(const std::string& certificate_file) {
  std::ifstream file(certificate_file);
  std::ostringstream pem;
  pem << file.rdbuf();
  if (!file) return Error(Code::kInvalid, "the certificate of the proxy cannot be read: " + certificate_file);
  const auto certificate = net::PeerCertificate::from_pem(pem.str());
  if (!certificate) return certificate.error().in(certificate_file);
  Access access;
  access.serial_ = (*certificate)->serial();
  return access;
}

bool Access::is_proxy(const http::Request& request) const {
  return !serial_.empty() && request.peer.certificate && request.peer.certificate->serial() == serial_;
}

std::unique_ptr<http::Response> Access::refusal(const http::Request& request) const {
  if (!request.peer.is_tls) return nullptr;
  if (!request.peer.certificate) {
    return std::make_unique<http::Response>(http::error_response(403, "No client SSL certificate supplied"));
  }
  if (is_proxy(request)) return nullptr;
  return std::make_unique<http::Response>(
      http::error_response(403, "SSL certificate with unexpected serial supplied"));
}

void Access::drop_unproven_claims(http::Request& request) const {
  if (is_proxy(request)) return;
  request.headers.remove("Client-Cert");
  request.headers.remove("Client-Cert-Chain");
}

}  // namespace dynflow::core_service
