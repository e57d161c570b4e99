#include "shared/settings/connection_limits.h"

namespace dynflow::settings {

ConnectionLimits connection_limits(const Values& values) {
  const auto count = [&](std::string_view key) { return static_cast<std::size_t>(values.get_int(key)); };
  return {count("max_connections"), count("max_connections_per_client")};
}

}  // namespace dynflow::settings
