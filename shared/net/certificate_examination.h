// What is wrong with a certificate in a file, as the peer that gets it will see it.
//
// Threads: a pure function of files and time.
#pragma once

#include <string>
#include <vector>

#include "shared/base/clock.h"

namespace dynflow::net {

struct CertificateQuestion {
  enum class Role { kServer, kClient };
  std::string certificate_file;  // PEM: the certificate, then its chain
  std::string key_file;          // empty: not looked at
  std::string ca_file;           // what the peer verifies with; empty: not looked at
  Role role = Role::kServer;
  std::string host;              // the name or address that the peer asked for; empty: not compared
  std::string crl_file;          // revocations that the peer knows; empty: not looked at. Needs ca_file
};

struct CertificateFlaw {
  enum class Kind {
    kUnreadable,
    kKeyMismatch,
    kUntrusted,
    kChainIncomplete,  // neither the CA file nor the certificate file has the issuer of one of the chain
    kExpired,          // it, or one of its issuers
    kNotYetValid,
    kExpiresSoon,      // within 30 days: it, or one of its issuers
    kWrongName,
    kWrongPurpose,     // extendedKeyUsage or keyUsage does not allow the role
    kRevoked,
    kOldRevocations,   // the list of revocations is out of date: peers that ask for one refuse everybody
    kWeak,             // below OpenSSL's security level 2, the default of Debian and EL: RSA under 2048 bits, SHA-1
  };
  Kind kind;
  std::string text;  // one line
};

// True for what does not keep the certificate from being used today.
bool is_hint(CertificateFlaw::Kind kind);

struct CertificateExamination {
  std::vector<CertificateFlaw> flaws;
  std::string subject;
  std::string serial;  // decimal; empty when unreadable
  std::vector<std::string> names;  // that it is for: the DNS names and addresses of its subjectAltName, else its CN

  // Neither a flaw of trust nor of the chain.
  bool is_trusted() const;
};

CertificateExamination examine_certificate(const CertificateQuestion& question, Time now);

}  // namespace dynflow::net
