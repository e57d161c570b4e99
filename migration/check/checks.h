// The checks C01 to C22 before a change of mode.
//
// Threads: pure functions of what was read; some look at files of the system.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "migration/config/move.h"
#include "migration/site/running_job.h"
#include "migration/site/site.h"

namespace dynflow::migration {

enum class Severity { kWarning, kError };

struct CheckInput {
  const Site& site;
  Target target;
  std::optional<std::int64_t> jobs;  // that run now; nothing when the proxy was not asked, or could not be
  std::vector<RunningJob> running = {};  // some of them
  std::vector<std::string> operations = {};  // that can be launched now; empty when the proxy could not be asked
  std::optional<Duration> foreman_lead = {};  // Foreman's clock before ours; nothing when it was not asked, or could not be
  std::string proxy_problem = {};    // why the proxy could not be asked; empty: it was, or there is none below this root
  std::string foreman_problem = {};  // likewise
};

struct Finding {
  std::string_view id;  // "C04"
  Severity severity;
  std::string seen;
  std::string_view why;
  std::string mend;
};

// What there has to be, so that a check that finds nothing says something.
enum class Needs {
  kSettings,  // settings files will do
  kPrograms,  // what is installed
  kHost,      // this machine, as it runs
  kProxy,     // a proxy that was asked
};

struct Check {
  std::string_view id;
  Severity severity;
  std::string_view title;
  std::string_view why;
  void (*look)(const Check& check, const CheckInput& input, std::vector<Finding>& findings);
  Needs needs = Needs::kSettings;
};
// Whether the check could look: else that it found nothing says nothing.
bool could_look(const Check& check, const CheckInput& input);

// The rows of both files, in the order of their ids.
std::vector<Check> all_checks();
std::vector<Check> settings_checks();
std::vector<Check> host_checks();

std::vector<Finding> run_checks(const CheckInput& input);

}  // namespace dynflow::migration
