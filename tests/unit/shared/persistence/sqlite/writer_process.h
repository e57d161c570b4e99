// A child process (store_writer.cc) that uses a store, and dies when told.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "shared/base/fd.h"

namespace dynflow::persistence {

class WriterProcess {
 public:
  explicit WriterProcess(std::vector<std::string> arguments);
  WriterProcess(const WriterProcess&) = delete;
  WriterProcess& operator=(const WriterProcess&) = delete;
  ~WriterProcess() { kill(); }

  pid_t pid() const { return pid_; }
  // The next line it has written; nothing when it has ended and all was read.
  std::optional<std::string> read_line();
  // kill -9, and waits until it is gone. Harmless twice.
  void kill();

 private:
  pid_t pid_ = -1;
  bool is_running_ = true;  // false once it was waited for
  Fd output_;
  std::string buffer_;
};

}  // namespace dynflow::persistence
