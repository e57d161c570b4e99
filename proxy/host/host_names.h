// Names and addresses of the hosts that talk to us, for clients that come without TLS.
//
// Threads: all methods may be called from any thread; they block up to the limit that the object was made with.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/result.h"

namespace dynflow::proxy {

class HostNames {
 public:
  virtual ~HostNames() = default;
  // The name of a numeric address. Errors: kNotFound, kTimeout and others, with the resolver's words.
  virtual Result<std::string> name_of(const std::string& address) const = 0;
  // Every numeric address of a name. Errors: the same.
  virtual Result<std::vector<std::string>> addresses_of(const std::string& name) const = 0;
};

// The system's resolver: /etc/hosts, then DNS, as nsswitch.conf says. `limit` is for each question.
std::unique_ptr<HostNames> system_host_names(Duration limit);

}  // namespace dynflow::proxy
