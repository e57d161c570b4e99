// What a rehearsal counts: times in order, and what processes have cost.
//
// Threads: values and pure functions.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "shared/base/result.h"

namespace dynflow::migration {

// The value below which `share` (0 to 1) of the values lie, by the nearest rank; 0 of none.
double percentile(std::vector<double> values, double share);
inline double median(std::vector<double> values) { return percentile(std::move(values), 0.5); }

// What a process has used since its start.
struct ProcessCost {
  double cpu_seconds = 0;        // user and system, all threads
  std::int64_t memory_kib = 0;   // resident now
};
// By the kernel's clock of that process and /proc. kNotFound: no such process.
Result<ProcessCost> cost_of(pid_t pid);

}  // namespace dynflow::migration
