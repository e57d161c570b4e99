// The proxy from its settings to its end.
//
// Threads: one object, used from the main thread.
#pragma once

#include <filesystem>

namespace dynflow::proxy {

// Runs until SIGTERM or SIGINT. HUP reads log level and certificates again, USR1 opens the log file again.
// Gives the exit status: 0, or 1 when the start failed; then standard output has one line that says why.
int run(const std::filesystem::path& config_dir);

}  // namespace dynflow::proxy
