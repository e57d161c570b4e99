// Each pair of processes that show each other certificates, examined as the peer will do it.
//
// Threads: pure functions of what was read, and of the certificate files.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "migration/command.h"
#include "migration/site/site.h"

namespace dynflow::migration {

struct CertificatePair {
  std::string name;      // "proxy to Foreman"
  std::string file;      // the certificate, as the site names it
  std::string setting;   // file:line that named it
  std::vector<std::string> flaws;
  std::vector<std::string> hints;  // warnings: expires soon
  std::string mend;      // a command, when there are flaws
};

// Pairs that the settings name; with `is_external` those of proxy and core service, too.
std::vector<CertificatePair> examine_pairs(const Site& site, bool is_external);

// The command `certs check`.
std::span<const Command> certificate_commands();

}  // namespace dynflow::migration
