// Who listens on a TCP port of this host, by /proc.
//
// Threads: a pure function of /proc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace dynflow::migration {

struct Listener {
  long pid = 0;      // 0: of another user, whose processes we may not look into
  std::string name = "an unknown process";
};

// Nothing when nobody listens.
std::optional<Listener> listener_on(std::uint16_t port);

}  // namespace dynflow::migration
