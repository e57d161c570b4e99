// Whether a running proxy does what its settings say.
//
// Threads: one at a time; blocks for the answers.
#pragma once

#include <string>
#include <vector>

#include "migration/site/running_proxy.h"

namespace dynflow::migration {

struct Verdict {
  std::string what;
  bool is_good = false;
  std::string detail;
};

std::vector<Verdict> verify_proxy(RunningProxy& proxy, bool is_external);

}  // namespace dynflow::migration
