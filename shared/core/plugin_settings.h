// The settings files of executor plugins, from one or several folders.
//
// Threads: pure functions.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/settings/yaml.h"

namespace dynflow::core {

// <name>.yml of each folder; keys of later folders win. An empty document when there is none. Errors: those of settings::load_yaml,
// kInvalid also for a name that is no file's, or a file without keys and values.
Result<settings::Document> plugin_settings(const std::vector<std::filesystem::path>& folders, const std::string& name);

}  // namespace dynflow::core
