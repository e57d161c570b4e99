#include "migration/state/database_copy.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "shared/base/interrupt.h"

namespace dynflow::migration {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    char pattern[] = "/tmp/dynflow-copy-test.XXXXXX";
    path = ::mkdtemp(pattern);
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

void write(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }
std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("A copy has the journals too, is private, and goes away") {
  const Folder folder;
  const fs::path original = folder.path / "db";
  write(original, "data");
  write(folder.path / "db-wal", "log");
  fs::path path;
  {
    const auto copy = DatabaseCopy::make(original);
    REQUIRE(copy.ok());
    path = copy->path();
    CHECK(read(path) == "data");
    CHECK(read(path.string() + "-wal") == "log");
    CHECK((fs::status(path.parent_path()).permissions() & (fs::perms::group_all | fs::perms::others_all)) == fs::perms::none);
  }
  CHECK_FALSE(fs::exists(path.parent_path()));
  CHECK(read(original) == "data");
}

TEST_CASE("An interrupted copy leaves nothing behind") {
  const Folder folder;
  const fs::path original = folder.path / "db";
  write(original, "data");
  ::setenv("TMPDIR", folder.path.c_str(), 1);
  remember_interrupts();
  ::raise(SIGINT);
  const auto copy = DatabaseCopy::make(original);
  forget_interrupts_for_test();
  ::unsetenv("TMPDIR");
  REQUIRE_FALSE(copy.ok());
  CHECK(copy.error().code() == Code::kClosed);
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("There is no copy of what is no file") {
  CHECK(DatabaseCopy::make("/nonexistent").error().code() == Code::kNotFound);
  CHECK(DatabaseCopy::make("/tmp").error().code() == Code::kNotFound);
}

TEST_CASE("Nobody uses a file that nobody has open; this process does not count") {
  const Folder folder;
  const fs::path original = folder.path / "db";
  write(original, "data");
  const std::ifstream open(original);
  CHECK(users_of(original).empty());
}

}  // namespace
}  // namespace dynflow::migration
