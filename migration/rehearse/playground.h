// Where a rehearsal happens: a folder of its own that goes away, free ports, and programs that end with it.
//
// Threads: one owner.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "migration/rehearse/interrupt.h"
#include "shared/base/fd.h"
#include "shared/base/result.h"
#include "shared/base/temporary_folder.h"
#include "shared/process/child.h"

namespace dynflow::migration {

// A folder below $TMPDIR, or /tmp, that nobody else may write to; removed with all that is in it. A rehearsal that was killed leaves its
// folder behind: the next one removes it.
class Playground {
 public:
  // Errors: kUnavailable (no room, no permission).
  static Result<Playground> make();

  const std::filesystem::path& path() const { return folder_.path(); }
  // A folder in it; made when it is not there.
  Result<std::filesystem::path> folder(std::string_view name) const;

 private:
  Playground(TemporaryFolder folder, Fd lock) : folder_(std::move(folder)), lock_(std::move(lock)) {}
  TemporaryFolder folder_;
  Fd lock_;  // of a file in the folder: as long as it is held, somebody plays here
};

// Replaces what the file held. Errors: kUnavailable.
Status write_file(const std::filesystem::path& path, std::string_view text);

// `count` ports of 127.0.0.1 that nobody listened on a moment ago. Errors: those of net::listen_on.
Result<std::vector<std::uint16_t>> free_ports(std::size_t count);

// The program of that name beside this one, else in the folders of PATH and in the system's sbin folders. kNotFound.
Result<std::filesystem::path> find_program(std::string_view name);

// A server process. Ended with SIGTERM, then SIGKILL, when it goes.
class Server {
 public:
  // `log`: the file that the program writes to, shown when it does not start. Returns when `port` of 127.0.0.1 accepts connections.
  // Errors: kFailed with the end of the log when it ends at once, kTimeout, and those of Child::spawn.
  static Result<Server> start(std::string name, process::SpawnOptions options, std::uint16_t port, std::filesystem::path log,
                              const Interrupt& interrupt);
  Server(Server&&) noexcept = default;
  Server& operator=(Server&&) noexcept = default;
  ~Server();

  const std::string& name() const { return name_; }
  pid_t pid() const { return child_.pid(); }
  // Has ended by itself.
  bool has_ended();

 private:
  Server(std::string name, process::Child child) : name_(std::move(name)), child_(std::move(child)) {}
  std::string name_;
  process::Child child_;
};

// Runs a program to its end and gives what it wrote. Errors: kFailed with that text when it does not end with 0, kTimeout after 30 s.
Result<std::string> run_program(const std::vector<std::string>& argv, const Interrupt& interrupt);

}  // namespace dynflow::migration
