// Each pair of processes that show each other certificates, examined as the peer will do it.
//
// Threads: pure functions of what was read, and of the certificate files.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migration/check/readable_by.h"
#include "migration/command.h"
#include "migration/site/site.h"

namespace dynflow::migration {

struct PairFlaw {
  std::string what;  // one line
  std::string mend;  // a command, or what to ask for
};

struct CertificatePair {
  std::string name;      // "proxy to Foreman"
  std::string file;      // the certificate, as the site names it
  std::string setting;   // file:line that named it
  std::string ca;        // what it was verified with; empty: nothing is named
  std::vector<PairFlaw> flaws;
  std::vector<PairFlaw> hints;  // work today: expires soon, a key that everybody may read
};

struct PairQuestion {
  bool is_external = false;      // those of proxy and core service, too
  std::string registered_as;     // the host of the URL under which Foreman knows the proxy; empty: not known
  std::string crl_file;          // revocations that Foreman's web server knows, as the site names them; empty: none
  std::optional<User> service;   // who has to read the files; nothing: not looked at
};
// What the site itself tells: its host name, Puppet's list of revocations, the user foreman-proxy.
PairQuestion question_of(const Site& site, bool is_external);

// Pairs that the settings name.
std::vector<CertificatePair> examine_pairs(const Site& site, const PairQuestion& question);

// The command `certs check`.
std::span<const Command> certificate_commands();

}  // namespace dynflow::migration
