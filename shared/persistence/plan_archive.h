// Keeps plans that the cleaner removes: <folder>/YYYYMMDD/{execution_plans,actions,steps,output_chunks}.csv, a row for each row that is
// deleted. Times are UTC; what Ruby packs (input, output, flows, errors) is JSON.
//
// A portion is on the disk after sync(), before its plans are deleted; keep() when they are, else roll_back(). Half a row that a killed process
// left is removed by the next one; what it had written of plans that it did not delete any more is there twice afterwards. Several processes
// may share a folder; one writes at a time.
//
// Threads: one at a time, from begin() to keep() or roll_back().
//
// Source: Dynflow 2.0.0, lib/dynflow/persistence_adapters/sequel.rb (backup_to_csv).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/fd.h"
#include "shared/base/result.h"

namespace dynflow::persistence {

class PlanArchive {
 public:
  enum Table : std::size_t { kPlans, kActions, kSteps, kChunks, kTableCount };
  // A column as text; nothing = null.
  using Row = std::vector<std::optional<std::string_view>>;

  // The folder is made when it is needed. `clock` outlives the archive and gives the day.
  explicit PlanArchive(std::string folder, const Clock& clock = system_clock());
  PlanArchive(const PlanArchive&) = delete;
  PlanArchive& operator=(const PlanArchive&) = delete;
  ~PlanArchive() { roll_back(); }

  const std::string& folder() const { return folder_; }

  // SQL, of either backend, for what is kept of the plans of these numbers: the columns of add(), all of them text.
  static std::string query(Table table, const std::vector<std::int64_t>& numbers);

  // Errors of all: kUnavailable (the folder cannot be written, or another process does so just now). After one: roll_back().
  Status begin();
  Status add(Table table, const Row& row);
  Status sync();
  void keep();
  // Harmless without a portion.
  void roll_back();

 private:
  struct File {
    Fd fd;
    std::string path;
    off_t before = 0;    // its length when the portion began
    std::string buffer;  // not written yet
  };

  Status open(Table table);
  Status write(File& file);
  // Where the last whole row ends.
  Result<off_t> complete_length(const File& file);

  const std::string folder_;
  const Clock& clock_;
  Fd day_;             // the folder of the day, locked; none: no portion
  std::string day_path_;
  std::array<File, kTableCount> files_;
  std::map<std::string, off_t> known_lengths_;  // of files that end with a whole row
};

}  // namespace dynflow::persistence
