// What the tool keeps on disk: the lock, the journal of a change under way, snapshots. All below <state directory>/dynflow-migrate.
//
// Threads: one at a time; other processes are kept out by the lock.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migration/site/site.h"
#include "shared/base/fd.h"
#include "shared/base/result.h"

namespace dynflow::migration {

// A change that was begun. Written before and after each step, so that a tool that was killed goes on where it was.
struct Journal {
  std::string kind;      // "internal", "external", "rollback"
  std::string snapshot;  // its name
  bool is_forced = false;
  bool is_finished = false;
  bool is_drained = false;  // launches are refused until the change is over
  std::vector<std::string> done;  // steps, in order
  bool has_done(std::string_view step) const;
};

class Workplace {
 public:
  // Makes the folder, takes the lock, and removes what killed ones left half done. Errors: kBusy with who holds it, kForbidden (also for a
  // folder of somebody else, who could have written what is done next), kFailed.
  static Result<Workplace> open(const Site& site);
  // To look only: nothing is made, nobody is kept out.
  static Workplace look(const Site& site) { return Workplace(folder_of(site), Fd()); }

  // Nothing when there is none. Errors: kCorrupt.
  Result<std::optional<Journal>> journal() const;
  Status save(const Journal& journal) const;

  // Copies the settings and environment files of both processes and what the units are; the snapshot's name. Complete or not there.
  // `mode`: what the running proxy said; empty: nobody was asked.
  Result<std::string> take_snapshot(const Site& site, const std::string& mode) const;
  struct Snapshot {
    bool was_sidecar_active = false;
    bool was_sidecar_enabled = false;
    bool was_sidecar_masked = false;
    std::optional<bool> external_core;  // as the settings said
    std::string mode;                   // as the running proxy said; empty: not known
    // Where jobs were launched: without the key it depends on what was installed then.
    bool was_external() const;
    std::vector<std::string> files;  // site paths that existed
    std::vector<std::string> absent;
  };
  // Errors: kNotFound, kCorrupt.
  Result<Snapshot> snapshot(const std::string& name) const;
  // Puts the files back as they were, and removes those that did not exist.
  Status restore_files(const std::string& name, const Layout& layout) const;
  const std::filesystem::path& folder() const { return folder_; }

 private:
  Workplace(std::filesystem::path folder, Fd lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}
  static std::filesystem::path folder_of(const Site& site);
  std::filesystem::path snapshot_folder(const std::string& name) const { return folder_ / "snapshots" / name; }

  std::filesystem::path folder_;
  Fd lock_;
};

}  // namespace dynflow::migration
