// The standalone core from its settings to its end.
//
// Threads: run() from the main thread.
#pragma once

#include <optional>
#include <string>

namespace dynflow::core_service {

struct CommandLine {
  std::optional<std::string> config_dir;
  bool is_one_config = false;
  std::optional<bool> daemonize;        // wins over the file
  std::optional<std::string> pid_file;  // the same
};

// Runs until SIGTERM or SIGINT. HUP reads certificates and log level again, USR1 opens the log file again.
// Gives the exit status: 0, or 1 when the start failed; then standard error has one line that says why.
int run(const CommandLine& command_line);

}  // namespace dynflow::core_service
