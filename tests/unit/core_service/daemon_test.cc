#include "core_service/daemon.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <optional>

using namespace dynflow;
using namespace dynflow::core_service;

namespace {

class Folder {
 public:
  Folder() { REQUIRE(mkdtemp(path_.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const char* name) const { return std::filesystem::path(path_) / name; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "daemon-XXXXXX").string();
};

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The id of a process that has ended.
pid_t ended_process() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return child;
}

}  // namespace

TEST_CASE("a pid file lives as long as its object", "[daemon]") {
  const Folder folder;
  const auto path = folder / "core.pid";
  {
    const auto file = PidFile::create(path);
    REQUIRE(file);
    CHECK(text_of(path) == std::to_string(getpid()) + "\n");
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a running owner keeps its pid file", "[daemon]") {
  const Folder folder;
  const auto path = folder / "core.pid";
  std::ofstream(path) << getppid() << "\n";
  const auto file = PidFile::create(path);
  REQUIRE_FALSE(file);
  CHECK(file.error().code() == Code::kConflict);
  CHECK(file.error().message() == "A server is already running. Check " + path.string());
  CHECK(text_of(path) == std::to_string(getppid()) + "\n");
}

TEST_CASE("the file of a dead process, or of none, is replaced", "[daemon]") {
  const Folder folder;
  const auto path = folder / "core.pid";
  for (const std::string& left : {std::to_string(ended_process()), std::string(), std::string("garbage"), std::string("-1")}) {
    INFO(left);
    std::ofstream(path) << left;
    const auto file = PidFile::create(path);
    REQUIRE(file);
    CHECK(text_of(path) == std::to_string(getpid()) + "\n");
  }
}

TEST_CASE("a pid file that cannot be written is an error that names it", "[daemon]") {
  const auto file = PidFile::create("/nonexistent/core.pid");
  REQUIRE_FALSE(file);
  CHECK(file.error().message().find("/nonexistent/core.pid") != std::string::npos);
}
