// What runs jobs: each kind comes as a library of its own beside the core's. A proxy without it refuses the launches that the core service took.
//
// Threads: reads files; values.
#pragma once

#include <string>
#include <vector>

#include "migration/site/site.h"

namespace dynflow::migration {

struct LostExecutor {
  std::string operation;      // "ssh"
  std::string library;        // "foreman_remote_execution_core.so"
  std::string settings_file;  // as the site names it; with :enabled: false there its jobs are not wanted
};

// Of `operations`, which are launched now, those that the core in the proxy could not run for want of a library. Empty for a core that is not
// ours, or not there.
std::vector<LostExecutor> lost_executors(const Site& site, const std::vector<std::string>& operations);

}  // namespace dynflow::migration
