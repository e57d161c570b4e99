// Going to the background, and the file that says which process did.
//
// Threads: from the main thread, before any other thread is started.
#pragma once

#include <filesystem>
#include <string>

#include "shared/base/fd.h"
#include "shared/base/result.h"

namespace dynflow::core_service {

// A file with our process id, as long as the object lives.
class PidFile {
 public:
  // A file left by a process that is gone is replaced. Errors: kConflict `A server is already running. Check <path>`
  // (upstream's words), kUnavailable when the file cannot be written.
  static Result<PidFile> create(const std::filesystem::path& path);
  PidFile(PidFile&& other) noexcept;
  PidFile& operator=(PidFile&&) = delete;
  ~PidFile();

 private:
  explicit PidFile(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;  // empty after a move
};

// What the process in the foreground waits for.
class Readiness {
 public:
  Readiness() = default;
  explicit Readiness(Fd pipe) : pipe_(std::move(pipe)) {}
  // The start is over: the process in the foreground ends with this status, and our standard streams are /dev/null
  // from here on. Nothing when there is no process in the foreground.
  void tell(int exit_status);

 private:
  Fd pipe_;
};

// Continues in a new process without a terminal, in the root folder. The
// calling process waits for Readiness::tell() and exits with that status, or with 1 when the new one died before.
// Errors: kUnavailable.
Result<Readiness> go_to_background();

}  // namespace dynflow::core_service
