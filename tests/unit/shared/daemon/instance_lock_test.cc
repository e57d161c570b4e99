#include "shared/daemon/instance_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <filesystem>

using namespace dynflow;
using namespace dynflow::daemon;
using namespace std::chrono_literals;

namespace {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "lock-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

// Another process that has the lock until it is told to go.
class Holder {
 public:
  explicit Holder(const std::filesystem::path& file) {
    std::array<int, 2> ready{};
    std::array<int, 2> end{};
    REQUIRE(::pipe(ready.data()) == 0);
    REQUIRE(::pipe(end.data()) == 0);
    pid = ::fork();
    REQUIRE(pid >= 0);
    char byte = 0;
    if (pid == 0) {
      ::close(end[1]);
      const auto lock = InstanceLock::acquire(file, Deadline::after(0s), [] { return true; });
      if (!lock || ::write(ready[1], &byte, 1) != 1) ::_exit(1);
      // The end of the test process ends it, too.
      [[maybe_unused]] const auto got = ::read(end[0], &byte, 1);
      ::_exit(0);
    }
    ::close(ready[1]);
    ::close(end[0]);
    end_ = end[1];
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    ::close(ready[0]);
  }
  void go() {
    if (pid < 0) return;
    ::close(end_);
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }
  ~Holder() { go(); }
  pid_t pid = -1;

 private:
  int end_ = -1;
};

}  // namespace

TEST_CASE("the lock is waited for until its holder ends") {
  const Folder folder;
  const auto file = folder.path / "lock";
  Holder holder(file);
  int pauses = 0;
  const auto lock = InstanceLock::acquire(file, Deadline::after(60s), [&] {
    if (++pauses == 3) holder.go();
    return true;
  });
  CHECK(lock);
  CHECK(pauses == 3);
}

TEST_CASE("who does not wait learns who has the lock") {
  const Folder folder;
  const auto file = folder.path / "lock";
  const Holder holder(file);
  const auto lock = InstanceLock::acquire(file, Deadline::after(0s), [] { return true; });
  REQUIRE_FALSE(lock);
  CHECK(lock.error().code() == Code::kConflict);
  CHECK(lock.error().message() == "process " + std::to_string(holder.pid) + " works with " + folder.path.string());
  const auto given_up = InstanceLock::acquire(file, Deadline::after(60s), [] { return false; });
  REQUIRE_FALSE(given_up);
  CHECK(given_up.error().code() == Code::kConflict);
}

TEST_CASE("a lock file that cannot be made is named") {
  const auto lock = InstanceLock::acquire("/nonexistent/lock", Deadline::after(0s), [] { return true; });
  REQUIRE_FALSE(lock);
  CHECK(lock.error().code() == Code::kUnavailable);
  CHECK(lock.error().message().find("/nonexistent/lock") != std::string::npos);
}
