// A private folder below $TMPDIR that goes away with its object.
//
// Threads: one owner.
#pragma once

#include <filesystem>
#include <string_view>

#include "shared/base/result.h"

namespace dynflow {

class TemporaryFolder {
 public:
  // "<TMPDIR or /tmp>/<prefix>.XXXXXX", mode 0700. Errors: kUnavailable with the pattern and the system's words.
  static Result<TemporaryFolder> make(std::string_view prefix);

  TemporaryFolder(TemporaryFolder&& other) noexcept;
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  // Removes the folder with all that is in it, as far as it can.
  ~TemporaryFolder();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;  // empty: moved from
};

// $TMPDIR, else /tmp.
std::filesystem::path temporary_root();

}  // namespace dynflow
