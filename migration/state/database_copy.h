// A private copy of a SQLite database: whatever is done to it, the original is only ever read.
//
// Threads: one owner.
#pragma once

#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/base/temporary_folder.h"

namespace dynflow::migration {

class DatabaseCopy {
 public:
  // Copies the file and its journals to a folder of $TMPDIR, or /tmp, that only this user can read. Errors: kNotFound, kUnavailable (no
  // room, no permission), kConflict (the original changed meanwhile).
  static Result<DatabaseCopy> make(const std::string& path);

  // A folder for a database that is copied otherwise; there is no file at path(). Errors: kUnavailable.
  static Result<DatabaseCopy> empty();

  std::string path() const { return (folder_.path() / "database").string(); }

 private:
  explicit DatabaseCopy(TemporaryFolder folder) : folder_(std::move(folder)) {}
  TemporaryFolder folder_;
};

// Processes that have the database or one of its journals open, or hold the lock beside it: "process 1234 (ruby)". Of other users'
// processes only root sees the files.
std::vector<std::string> users_of(const std::string& path);

}  // namespace dynflow::migration
