// How many runners work at once, and how much they may say: the same keys in dynflow.yml and in the core service's file.
//
// Threads: values.
#pragma once

#include <array>
#include <cstddef>

#include "shared/settings/schema.h"

namespace dynflow::settings {

inline constexpr std::array kRunnerLimitSettings = {
    Setting{"max_running_runners", Type::kInt, "4000", "How many hosts are worked on at once; the others wait, and jobs take turns.", Null::kRefused, {}, check_positive},
    Setting{"max_running_runners_per_job", Type::kInt, "0", "The same for the hosts of one launch; 0: no limit of its own.", Null::kRefused, {}, check_not_negative},
    Setting{"max_output_bytes", Type::kInt, "16777216", "Output of a task that is kept, in bytes; what is longer is cut with a visible mark; 0: all.", Null::kRefused, {}, check_not_negative},
};

struct RunnerLimits {
  std::size_t max_running = 4000;
  std::size_t max_running_per_job = 0;  // 0: no limit of its own
  std::size_t max_output_bytes = 16 * 1024 * 1024;  // 0: all is kept
};

RunnerLimits runner_limits(const Values& values);

}  // namespace dynflow::settings
