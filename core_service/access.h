// Who may use the standalone core: over https only the proxy, known by the name or the key of its certificate, or by the serial
// number of the one certificate that the settings name (smart_proxy_dynflow_core 0.3.3, lib/smart_proxy_dynflow_core/helpers.rb);
// over http everybody who reaches the port.
//
// The proxy says for which client it asks: the certificate that it verified (RFC 9440), the address, the scheme. From then on the
// request is that client's. Nobody else is believed.
//
// Threads: immutable.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shared/http/message.h"
#include "shared/net/certificate_pins.h"

namespace dynflow::core_service {

class Access {
 public:
  // Plain http: nobody is asked for anything, and nobody is believed to ask for somebody else.
  Access() = default;
  // https.
  static Access for_proxy(net::CertificatePins proxy);

  // Nothing = allowed, else the text of a 403. To be called once, before anybody looks at the request: what it says about a client
  // is taken away, or has become its peer. A client that came to the proxy over https without a certificate is refused as one that
  // comes here without; whoever shows a task's password needs neither.
  std::optional<std::string> admit(http::Request& request) const;

 private:
  std::optional<std::string> introduce_client(http::Request& request) const;
  std::optional<net::CertificatePins> proxy_;  // nothing: plain http
};

// The certificate in a Client-Cert field (":BASE64:" around DER). Errors: kInvalid.
Result<std::shared_ptr<const net::PeerCertificate>> parse_client_cert(std::string_view field);

}  // namespace dynflow::core_service
