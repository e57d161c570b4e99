// Files and folders of the stores: for the group to read and nobody else, whatever the umask.
//
// Threads: free functions. Errors: kUnavailable, with the path and what the system says.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "shared/base/fd.h"
#include "shared/base/result.h"

namespace dynflow::persistence {

// "<what> <path>: <the system's text for the errno>".
Error unavailable(std::string_view what, const std::string& path, int number);

// With its parents, as far as they are missing.
Status make_directories(const std::filesystem::path& directory);

// For reading and writing. A file that exists keeps its mode.
Result<Fd> open_or_make(const std::string& path);

}  // namespace dynflow::persistence
