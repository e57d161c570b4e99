// The phase of a site, its effective mode, and every illegal mixture by name. Pure functions of what was read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "migration/site/site.h"

namespace dynflow::migration {

enum class Phase {
  kUnknown,   // the settings cannot be read
  kP0,        // external, and the core loads in the sidecar only
  kP1,        // external, and the core is loadable in the proxy too
  kHandOver,  // both sides have unfinished tasks
  kP2,        // in-process, the sidecar is still installed
  kP3,        // in-process, no trace of a sidecar
  kUnset,     // external_core is absent while a sidecar could be meant
};
// "P0", "P1", "hand-over", "P2", "P3", "D-unset", "unknown".
std::string_view to_string(Phase phase);

struct Mixture {
  std::string_view name;  // "true-without-sidecar"
  std::string text;       // what contradicts what, with places
};

struct Assessment {
  Phase phase = Phase::kUnknown;
  std::string mode;  // "external", "in-process", "failed", "in-process when the core is loadable, else external", "unknown"
  std::string why;
  std::vector<Mixture> mixtures;
};

Assessment assess(const Site& site);

}  // namespace dynflow::migration
