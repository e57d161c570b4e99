// Whether a running proxy does what its settings say.
//
// Threads: one at a time; blocks for the answers.
#pragma once

#include <string>
#include <vector>

#include "migration/command.h"
#include "migration/site/running_proxy.h"

namespace dynflow::migration {

struct Verdict {
  std::string what;
  bool is_good = false;
  std::string detail;
  bool was_asked = true;  // false: `detail` says why not; nothing is known
};

// What a change of mode has to reach before anything is stopped.
std::vector<Verdict> verify_proxy(RunningProxy& proxy, bool is_external);

// "ok   the mode is external", "FAIL ...: why", "skip ...: why not".
std::string to_text(const Verdict& verdict);

struct VerifyOptions {
  bool asks_foreman = true;
  bool launches = true;
};
// All that can be asked: the above, both protocols, who is let in, a task that does nothing, a callback that Foreman has to refuse,
// the log that is opened anew. `proxy` is the site's, as find() made it.
std::vector<Verdict> verify_site(const Site& site, const GlobalOptions& global, RunningProxy& proxy, bool is_external, const VerifyOptions& options);

}  // namespace dynflow::migration
