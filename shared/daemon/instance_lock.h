// One process at a time works with a state folder. The next one may be started before: it waits until the one before has ended,
// while connections wait in the sockets that both have.
//
// Threads: one owner.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "shared/base/deadline.h"
#include "shared/base/fd.h"
#include "shared/base/result.h"

namespace dynflow::daemon {

class InstanceLock {
 public:
  // Locks nothing.
  InstanceLock() = default;

  // Makes `file` (0640) where it is missing, and locks it. While another process has it, `pause` is called again and again until
  // the deadline; it sleeps for a moment, and returns false to give up. Errors: kConflict (another process has it, which is
  // named), kUnavailable (the file cannot be made).
  static Result<InstanceLock> acquire(const std::filesystem::path& file, Deadline deadline, const std::function<bool()>& pause);

 private:
  explicit InstanceLock(Fd lock) : lock_(std::move(lock)) {}
  Fd lock_;  // the lock lasts as long as the descriptor
};

}  // namespace dynflow::daemon
