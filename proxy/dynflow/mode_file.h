// What the proxy remembers of its mode across restarts: one small file, replaced as a whole and synced.
//
// Threads: one at a time.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "proxy/dynflow/mode_states.h"
#include "shared/base/clock.h"
#include "shared/base/result.h"

namespace dynflow::proxy {

// Launches are refused: the administrator wants the jobs to come to an end.
struct Drain {
  Time since{};
  std::string reason;  // who asked for it; one line
};

struct SavedMode {
  ModeState state = ModeState::kInProcess;
  Time since{};
  // `external_core` as it was when this was written: "true", "false" or "unset". A file that says something else at the
  // next start is a wish that came later than this state.
  std::string setting;
  std::string reason;  // why the state was entered; one line
  bool follows_hand_over = false;  // the state was entered at the end of a hand-over
  std::optional<Drain> drain{};    // nothing: launches are taken
};

class ModeFile {
 public:
  // `path` empty: nothing is remembered.
  explicit ModeFile(std::filesystem::path path) : path_(std::move(path)) {}

  // Nothing when there is no file. Errors: kCorrupt with the file's name for one that means nothing, kUnavailable.
  Result<std::optional<SavedMode>> load() const;
  // Durable when it returns; readable by owner and group only. Errors: kUnavailable; then the old file is still there.
  Status save(const SavedMode& mode) const;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace dynflow::proxy
