#include "shared/settings/runner_limits.h"

namespace dynflow::settings {

RunnerLimits runner_limits(const Values& values) {
  const auto count = [&](std::string_view key) { return static_cast<std::size_t>(values.get_int(key)); };
  return {count("max_running_runners"), count("max_running_runners_per_job"), count("max_output_bytes")};
}

}  // namespace dynflow::settings
