// Makes sure that a database file may be used: on a local file system, by one process at a time.
//
// Threads: one owner.
#pragma once

#include <string>

#include "shared/base/fd.h"
#include "shared/base/result.h"

namespace dynflow::persistence {

// True for file systems whose locks or shared memory do not hold between machines (statfs(2) f_type).
bool is_network_file_system(long type);

class FileGuard {
 public:
  // Makes the directory (0750) and the file (0640) where they are missing and locks `<path>.lock`, which names this
  // process. Errors: kUnavailable (no permission, locked by another process, which is named), kInvalid (network file
  // system).
  static Result<FileGuard> acquire(const std::string& path);

 private:
  explicit FileGuard(Fd lock) : lock_(std::move(lock)) {}
  Fd lock_;  // the lock lasts as long as the descriptor
};

}  // namespace dynflow::persistence
