// Where this program's file is: others of ours stand beside it.
//
// Threads: pure functions.
#pragma once

#include <filesystem>

namespace dynflow {

// Without links; empty when the system does not tell.
std::filesystem::path executable_path();

}  // namespace dynflow
