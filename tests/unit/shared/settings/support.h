// A folder of settings files that goes away again, and the fixture trees.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "shared/base/ids.h"

namespace dynflow::settings {

inline const std::string kFixtures = DYNFLOW_CONFIG_FIXTURES;

class TemporaryFolder {
 public:
  TemporaryFolder() { std::filesystem::create_directories(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }

  // Writes a file and returns its path.
  std::string write(const std::string& name, std::string_view text) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    return file.string();
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_ = std::filesystem::temp_directory_path() / ("dynflow-settings-" + random_hex(8));
};

}  // namespace dynflow::settings
