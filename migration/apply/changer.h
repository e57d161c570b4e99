// Carries out a change of mode step by step. Each step can be repeated; the journal says which are done.
//
// Threads: one at a time; blocks as long as jobs run.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migration/apply/workplace.h"
#include "migration/command.h"
#include "migration/config/move.h"
#include "migration/site/running_proxy.h"

namespace dynflow::migration {

struct ChangeOptions {
  bool is_hand_over = false;                      // jobs may run
  bool is_forced = false;                         // jobs may be lost
  std::optional<std::chrono::seconds> drain;      // wait so long for jobs to end, before anything is changed
  std::optional<std::chrono::seconds> timeout;    // of the hand-over; it goes on without the tool
};

// The steps of a change, in order: "snapshot", "start", "settings", "flip", "wait", "verify", "retire".
std::vector<std::string> steps_of(std::string_view kind, bool was_sidecar_active);

class Changer {
 public:
  Changer(Context& context, Site site, Services& services, Workplace& place)
      : context_(context), site_(std::move(site)), services_(services), place_(place) {}

  // `kind`: "internal", "external", "rollback". Goes on with the journal's change when it is the same.
  // kChanged, kFine, kJobsRun. Errors: what stopped it; the same command goes on from there.
  Result<ExitCode> run(const std::string& kind, const std::string& snapshot, const ChangeOptions& options);

 private:
  Result<ExitCode> begin(const std::string& kind, const std::string& snapshot, const ChangeOptions& options);
  Result<ExitCode> carry_out(const ChangeOptions& options);
  Status step(const std::string& name, const ChangeOptions& options);
  Status start_sidecar();
  Status write_settings();
  Status flip();
  Status wait_for_jobs(const ChangeOptions& options);
  Status verify();
  Status retire_sidecar();
  Status reload_units();
  Status act(std::string_view verb, std::string_view unit);
  // Nothing when no proxy runs here that could be asked.
  Result<RunningProxy*> proxy();
  Result<std::int64_t> jobs();
  // Refuses launches and waits; kJobsRun when jobs still run after that time. A proxy without a drain is waited for only.
  Result<ExitCode> drain(std::chrono::seconds patience);
  // Takes launches again when this change, or one before it that was killed, has them refused.
  Status undrain();
  Status note_drain(bool is_drained);
  bool wants_external() const;

  Context& context_;
  Site site_;
  Services& services_;
  Workplace& place_;
  Journal journal_;
  Workplace::Snapshot before_;
  std::unique_ptr<RunningProxy> proxy_;
};

}  // namespace dynflow::migration
