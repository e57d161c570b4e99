// How many connections a program has at once: the same keys in the proxy's file and in the core service's.
//
// Threads: values.
#pragma once

#include <array>
#include <cstddef>

#include "shared/settings/schema.h"

namespace dynflow::settings {

inline constexpr std::array kConnectionLimitSettings = {
    Setting{"max_connections", Type::kInt, "8192", "How many connections may be open at once; further ones are closed, over plain HTTP with a 503.", Null::kRefused, {}, check_positive},
    Setting{"max_connections_per_client", Type::kInt, "2048", "The same for the connections from one address.", Null::kRefused, {}, check_positive},
};

struct ConnectionLimits {
  std::size_t total = 8192;
  std::size_t per_client = 2048;
};

ConnectionLimits connection_limits(const Values& values);

}  // namespace dynflow::settings
