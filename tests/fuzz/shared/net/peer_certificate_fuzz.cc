// Certificates, in both forms, and the subject texts that trusted_hosts are compared with.
#include "shared/net/peer_certificate.h"
#include "tests/fuzz/target.h"

using dynflow::net::PeerCertificate;

void fuzz(std::string_view bytes) {
  const auto name = dynflow::net::common_name_of(bytes);
  if (name) fuzz_check(!name->empty() && name->find('/') == std::string::npos);
  for (const bool is_pem : {false, true}) {
    const auto certificate = is_pem ? PeerCertificate::from_pem(bytes) : PeerCertificate::from_der(bytes);
    if (!certificate) continue;
    fuzz_check(*certificate != nullptr);
    if ((*certificate)->der().empty()) continue;
    const auto again = PeerCertificate::from_pem((*certificate)->pem());
    fuzz_check(static_cast<bool>(again));
    fuzz_check((*again)->serial() == (*certificate)->serial());
    fuzz_check((*again)->subject() == (*certificate)->subject());
  }
}
