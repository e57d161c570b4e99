// Pages of docs/ that are made from tables in the code: a test holds them to the tables, and writes them when
// DYNFLOW_WRITE_DOCS=1 is in its environment.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace dynflow::test {

inline void check_page(const std::string& path, const std::string& text) {
  if (std::getenv("DYNFLOW_WRITE_DOCS") != nullptr) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
  }
  std::ifstream in(path);
  std::stringstream there;
  there << in.rdbuf();
  INFO(path << " is not what the tables say; run this test with DYNFLOW_WRITE_DOCS=1");
  CHECK(there.str() == text);
}

}  // namespace dynflow::test
