// The service manager: systemctl, or what stands in for it. The environment variable DYNFLOW_MIGRATE_SYSTEMCTL names another program
// that takes the same arguments (tests, containers). Below --root, without it, units are only looked at as files.
//
// Threads: one at a time; calls block until the program has ended (at most five minutes).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "migration/site/layout.h"
#include "shared/base/result.h"

namespace dynflow::migration {

struct UnitState {
  bool is_known = false;      // false: nothing can be said, e.g. below a root without programs
  bool is_installed = false;  // a unit file exists
  bool is_active = false;
  bool is_enabled = false;
  bool is_masked = false;
  long main_pid = 0;          // 0: none or not known
  // "active, enabled", "not-found", "masked", "unknown".
  std::string text() const;
};

class Services {
 public:
  virtual ~Services() = default;
  // Errors: kUnavailable when the service manager cannot be asked.
  virtual Result<UnitState> state(std::string_view unit) = 0;
  // `verb`: start, stop, restart, enable, disable, mask, unmask. Errors: kFailed with what the service manager said.
  virtual Status act(std::string_view verb, std::string_view unit) = 0;
  // Unit files and drop-ins are read again.
  virtual Status reload() = 0;
  virtual bool can_act() const = 0;
};

std::unique_ptr<Services> services_of(const Layout& layout);

// Runs a program to its end; what it wrote on both streams. Errors: those of spawn, kTimeout; kFailed with its last words when it failed.
Result<std::string> run_program(const std::vector<std::string>& argv);

}  // namespace dynflow::migration
