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
};

struct CertificateFlaw {
  enum class Kind { kUnreadable, kKeyMismatch, kUntrusted, kExpired, kNotYetValid, kExpiresSoon, kWrongName, kWrongPurpose };
  Kind kind;
  std::string text;  // one line
};

struct CertificateExamination {
  std::vector<CertificateFlaw> flaws;
  std::string subject;
  std::string serial;  // decimal; empty when unreadable
};

// "Soon" is within 30 days.
CertificateExamination examine_certificate(const CertificateQuestion& question, Time now);

}  // namespace dynflow::net
