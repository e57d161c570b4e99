#include "shared/net/sealer.h"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "shared/base/base64.h"

using namespace dynflow;
using net::Sealer;

namespace {

std::string key_of(char byte) { return base64_encode(std::string(32, byte)); }

class KeyFile {
 public:
  explicit KeyFile(const std::string& text, mode_t mode = 0600) {
    const int fd = ::mkstemp(path_.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    write(text, mode);
  }
  ~KeyFile() { std::filesystem::remove(path_); }
  void write(const std::string& text, mode_t mode = 0600) const {
    std::ofstream(path_) << text;
    REQUIRE(::chmod(path_.c_str(), mode) == 0);
  }
  const std::string& path() const { return path_; }
  Sealer sealer() const {
    auto made = Sealer::from_file(path_);
    REQUIRE(made.ok());
    return *made;
  }
  std::string refusal() const {
    const auto made = Sealer::from_file(path_);
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().code() == Code::kInvalid);
    return made.error().message();
  }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "key-XXXXXX").string();
};

constexpr const char* kText = R"({"ssh_password":"hunter2"})";

}  // namespace

TEST_CASE("what was sealed opens as its owner's alone") {
  const Sealer sealer = KeyFile(key_of('a') + "\n").sealer();
  const std::string sealed = sealer.seal(kText, "plan-1").value();
  CHECK(sealed.find("hunter2") == std::string::npos);
  CHECK(sealer.open(sealed, "plan-1").value().reveal() == kText);
  CHECK(sealer.open(sealed, "plan-2").error().code() == Code::kCorrupt);
  CHECK(sealer.open(sealer.seal("", "p").value(), "p").value().empty());
  // Never the same twice.
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(sealer.seal(kText, "plan-1").value());
  CHECK(seen.size() == 100);
}

TEST_CASE("a changed text does not open") {
  const Sealer sealer = KeyFile(key_of('a')).sealer();
  const std::string sealed = sealer.seal(kText, "p").value();
  const std::size_t dot = sealed.find('.');
  const std::string bytes = *base64_decode(sealed.substr(dot + 1));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK(sealer.open(sealed.substr(0, dot + 1) + base64_encode(changed), "p").error().code() == Code::kCorrupt);
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) CHECK_FALSE(sealer.open(sealed.substr(0, size), "p").ok());
  CHECK_FALSE(sealer.open("", "p").ok());
  CHECK_FALSE(sealer.open("no key name.AAAA", "p").ok());
}

TEST_CASE("a key is changed by putting the new one before the old one") {
  const KeyFile file("# of 2026\n\n" + key_of('a') + "\n");
  const std::string old = file.sealer().seal(kText, "p").value();
  file.write(key_of('b') + "\r\n  " + key_of('a') + "  \n");
  const Sealer both = file.sealer();
  CHECK(both.open(old, "p").value().reveal() == kText);
  const std::string fresh = both.seal(kText, "p").value();
  file.write(key_of('b') + "\n");
  const Sealer only_new = file.sealer();
  CHECK(only_new.open(fresh, "p").value().reveal() == kText);
  const auto refused = only_new.open(old, "p");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kNotFound);
  CHECK_THAT(refused.error().message(), Catch::Contains(old.substr(0, 12)) && Catch::Contains(file.path()));
}

TEST_CASE("key files that are wrong are named, and what stands in them is not") {
  const std::string secret = "this is not base64";
  const KeyFile file("# comment\n" + secret + "\n");
  CHECK_THAT(file.refusal(), Catch::Contains(file.path() + ":2") && !Catch::Contains(secret));
  file.write(base64_encode(std::string(31, 'x')));
  CHECK_THAT(file.refusal(), Catch::Contains(file.path() + ":1"));
  file.write("# nothing\n");
  CHECK_THAT(file.refusal(), Catch::Contains("holds no key"));
  file.write(std::string(70'000, '\n'));
  CHECK_THAT(file.refusal(), Catch::Contains("too long"));
  for (const mode_t mode : {0644U, 0620U, 0604U, 0602U, 0601U}) {
    file.write(key_of('a'), mode);
    CHECK_THAT(file.refusal(), Catch::Contains("has to be 0600"));
  }
  for (const mode_t mode : {0600U, 0640U, 0400U, 0440U}) {
    file.write(key_of('a'), mode);
    CHECK(Sealer::from_file(file.path()).ok());
    REQUIRE(::chmod(file.path().c_str(), 0600) == 0);
  }
  CHECK_FALSE(Sealer::from_file("/nonexistent/key").ok());
  CHECK_FALSE(Sealer::from_file("/tmp").ok());
}
