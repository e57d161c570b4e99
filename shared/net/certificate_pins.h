// Which certificates of a trusted authority are meant: by name, by public key, or by serial number and issuer. That a certificate
// is valid at all is the TLS handshake's matter.
//
// Threads: values.
#pragma once

#include <string>
#include <vector>

#include "shared/net/peer_certificate.h"

namespace dynflow::net {

class CertificatePins {
 public:
  // Nobody.
  CertificatePins() = default;
  // One of the names (common name or DNS name, case does not matter) or one of the keys (PeerCertificate::key_pin).
  static CertificatePins of(std::vector<std::string> names, std::vector<std::string> keys);
  // The one certificate with this serial number of this issuer: another number after every renewal.
  static CertificatePins of_serial(const PeerCertificate& certificate);

  bool admit(const PeerCertificate& certificate) const;
  bool is_by_serial() const { return !serial_.empty(); }

 private:
  std::vector<std::string> names_;  // in lower case
  std::vector<std::string> keys_;
  std::string serial_;  // decimal; empty: not by serial
  std::string issuer_;
};

}  // namespace dynflow::net
