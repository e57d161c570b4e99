// Child processes: started by posix_spawn with a clean environment and no inherited descriptors, ended as a tree.
//
// Threads: a Child belongs to one thread at a time.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "shared/base/fd.h"
#include "shared/base/result.h"

namespace dynflow::process {

struct SpawnOptions {
  std::vector<std::string> argv;         // argv[0] is looked up in PATH of this process when it has no slash
  std::vector<std::string> environment;  // "NAME=value"; nothing is inherited
  std::string working_directory;         // empty: this process's
  bool merge_stderr = false;             // both streams through stdout's pipe
};

// PATH, HOME, LANG, LC_*, TZ, USER and LOGNAME of this process: what a clean child may know.
std::vector<std::string> clean_environment();

// How a child ended.
struct Ending {
  bool was_signalled = false;
  int value = 0;  // exit code, or signal number
};

class Child {
 public:
  // The child leads a process group of its own, has default signal dispositions, and reads from /dev/null. Errors:
  // kNotFound (no such program or directory), kUnavailable (out of processes or descriptors), kFailed.
  static Result<Child> spawn(const SpawnOptions& options);

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  // Kills the group with SIGKILL and waits when the child was not reaped.
  ~Child();

  pid_t pid() const { return pid_; }
  // Non-blocking ends of the pipes; `stderr_fd` is empty with merge_stderr.
  Fd& stdout_fd() { return stdout_; }
  Fd& stderr_fd() { return stderr_; }
  // Becomes readable when the child has ended.
  int pidfd() const { return pidfd_.get(); }

  // To the whole group. Nothing when the child was reaped: its number may belong to another process.
  void signal_group(int signal);
  // How it ended; kBusy while it runs. After this the number is free.
  Result<Ending> reap();

 private:
  Child() = default;
  void kill_and_wait();

  pid_t pid_ = -1;
  bool is_reaped_ = true;
  Fd pidfd_;
  Fd stdout_;
  Fd stderr_;
};

}  // namespace dynflow::process
