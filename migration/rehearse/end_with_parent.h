// Processes that end with this one, however it ends: also by kill -9. The kernel sends them SIGTERM when the thread that started them is
// gone; a process has to ask for that itself, so this program is started first and becomes the other.
//
// Threads: from the main thread, which lives as long as the process.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace dynflow::migration {

// The command line that runs `argv` so. It is `argv` itself when this program is not dynflow-migrate, which alone can do it.
std::vector<std::string> ending_with_us(std::vector<std::string> argv);

// For main(): becomes the other program when that was asked for, and returns only when it could not. Nothing: it was not.
std::optional<int> become_the_other(int argc, char** argv);

}  // namespace dynflow::migration
