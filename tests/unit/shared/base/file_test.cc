#include "shared/base/file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <set>

#include "shared/base/executable.h"
#include "shared/base/temporary_folder.h"

using namespace dynflow;
namespace fs = std::filesystem;

namespace {

struct Fixture {
  TemporaryFolder folder = *TemporaryFolder::make("file-test");
  fs::path path = folder.path() / "settings.yml";

  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder.path())) found.insert(entry.path().filename());
    return found;
  }
  static mode_t mode_of(const fs::path& file) {
    struct stat about {};
    REQUIRE(::stat(file.c_str(), &about) == 0);
    return about.st_mode & 07777;
  }
};

// No file may grow beyond `bytes` while it lives: what a full disk is to a writer.
struct SmallDisk {
  explicit SmallDisk(rlim_t bytes) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const rlimit small{bytes, before.rlim_max};
    old = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  }
  ~SmallDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, old);
  }
  rlimit before{};
  void (*old)(int) = SIG_DFL;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a file is replaced as a whole and keeps its mode", "[file]") {
  REQUIRE(replace_file(path, "one"));
  CHECK(mode_of(path) == 0640);
  CHECK(*read_file(path) == "one");
  REQUIRE(::chmod(path.c_str(), 0604) == 0);
  REQUIRE(replace_file(path, std::string(100'000, 'x'), {0600}));
  CHECK(mode_of(path) == 0604);
  CHECK(read_file(path)->size() == 100'000);
  CHECK(names() == std::set<std::string>{"settings.yml"});
}

TEST_CASE_METHOD(Fixture, "what stood there is kept when that is wanted", "[file]") {
  REQUIRE(replace_file(path, "one", {0600, true, ".bak"}));
  CHECK(names() == std::set<std::string>{"settings.yml"});
  REQUIRE(replace_file(path, "two", {0640, true, ".bak"}));
  CHECK(*read_file(path.string() + ".bak") == "one");
  CHECK(mode_of(path.string() + ".bak") == 0600);
}

TEST_CASE_METHOD(Fixture, "a link stays one", "[file]") {
  REQUIRE(replace_file(path, "one"));
  const fs::path link = folder.path() / "link";
  fs::create_symlink(path, link);
  REQUIRE(replace_file(link, "two"));
  CHECK(fs::is_symlink(link));
  CHECK(*read_file(path) == "two");
  fs::remove(path);
  CHECK_FALSE(replace_file(link, "three"));  // a link that leads nowhere
}

TEST_CASE_METHOD(Fixture, "without room the old file stays and nothing is left beside it", "[file]") {
  REQUIRE(replace_file(path, "one"));
  {
    const SmallDisk disk(1000);
    const Status done = replace_file(path, std::string(100'000, 'x'));
    REQUIRE_FALSE(done);
    CHECK(done.error().message().find("cannot write " + path.string()) != std::string::npos);
  }
  CHECK(*read_file(path) == "one");
  CHECK(names() == std::set<std::string>{"settings.yml"});
}

TEST_CASE_METHOD(Fixture, "what a killed writer left is removed, and nothing else", "[file]") {
  const std::set<std::string> others = {"settings.yml", "settings.yml.rpmnew", "settings.yml.bak", "other.yml.a1B2c3.new", "settings.yml.a1B2c3d.new", "settings.yml.new"};
  for (const std::string& name : others) REQUIRE(replace_file(folder.path() / name, "x"));
  for (const char* name : {"settings.yml.a1B2c3.new", "settings.yml.Zz9000.new"}) REQUIRE(replace_file(folder.path() / name, "x"));
  fs::create_directory(folder.path() / "links");
  fs::create_symlink(path, folder.path() / "links/settings.yml");
  remove_leftovers(folder.path() / "links/settings.yml");
  fs::remove_all(folder.path() / "links");
  CHECK(names() == others);
  remove_leftovers(folder.path() / "none/file");
}

TEST_CASE_METHOD(Fixture, "what is missing or locked up is told apart", "[file]") {
  CHECK(read_file(path).error().code() == Code::kNotFound);
  CHECK(replace_file(folder.path() / "none/file", "x").error().code() == Code::kNotFound);
  CHECK_FALSE(read_file(folder.path()));
  if (::geteuid() == 0) return;  // to whom nothing is locked
  REQUIRE(::chmod(folder.path().c_str(), 0500) == 0);
  CHECK(replace_file(path, "x").error().code() == Code::kForbidden);
  REQUIRE(::chmod(folder.path().c_str(), 0700) == 0);
}

TEST_CASE("a temporary folder is private and goes with its object", "[file]") {
  fs::path path;
  {
    auto folder = TemporaryFolder::make("folder-test");
    REQUIRE(folder);
    const TemporaryFolder moved = *std::move(folder);
    path = moved.path();
    CHECK(path.filename().string().starts_with("folder-test."));
    CHECK(Fixture::mode_of(path) == 0700);
    REQUIRE(replace_file(path / "file", "x"));
  }
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("a program knows its file", "[file]") { CHECK(fs::is_regular_file(executable_path())); }
