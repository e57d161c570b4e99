// Plugins from elsewhere: an installation's own, and those of tests.
//
// Threads: pure functions of the environment and the file system.
#pragma once

#include <string>
#include <vector>

namespace dynflow::core {

// The shared objects in the folders that DYNFLOW_PLUGIN_PATH names (separated by colons), with their paths, sorted
// within each folder. Folders that are not there count as empty.
std::vector<std::string> plugins_from_environment();

}  // namespace dynflow::core
