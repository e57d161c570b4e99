// Trees of a site for tests: the fixtures, and copies of them that may be changed.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "migration/site/site.h"
#include "shared/base/ids.h"

namespace dynflow::migration::testing {

inline std::filesystem::path fixture(const std::string& name) { return std::filesystem::path(DYNFLOW_CONFIG_FIXTURES) / name; }

inline Layout layout_of(const std::filesystem::path& root) {
  GlobalOptions options;
  options.root = root.string();
  return Layout::of(options);
}

inline Site site_of(const std::filesystem::path& root) {
  const Layout layout = layout_of(root);
  const auto services = services_of(layout);
  return read_site(layout, *services);
}

inline std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A folder that goes away with it.
class Tree {
 public:
  explicit Tree(const std::string& fixture_name = "") : root_(std::filesystem::temp_directory_path() / ("migration-" + random_hex(8))) {
    std::filesystem::create_directories(root_);
    if (!fixture_name.empty()) {
      std::filesystem::copy(fixture(fixture_name), root_, std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
    }
  }
  ~Tree() { std::filesystem::remove_all(root_); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = root_ / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }

 private:
  std::filesystem::path root_;
};

}  // namespace dynflow::migration::testing
