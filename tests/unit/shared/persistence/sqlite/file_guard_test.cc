#include "shared/persistence/sqlite/file_guard.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <future>

#include "shared/base/fd.h"
#include "tests/unit/shared/persistence/sqlite/scratch_folder.h"
#include "tests/unit/shared/persistence/sqlite/writer_process.h"

namespace dynflow::persistence {

TEST_CASE("network file systems are known", "[store]") {
  CHECK(is_network_file_system(NFS_SUPER_MAGIC));
  CHECK(is_network_file_system(SMB_SUPER_MAGIC));
  CHECK(is_network_file_system(CIFS_SUPER_MAGIC));
  CHECK(is_network_file_system(SMB2_SUPER_MAGIC));
  CHECK(is_network_file_system(V9FS_MAGIC));
  CHECK(is_network_file_system(CODA_SUPER_MAGIC));
  CHECK(is_network_file_system(NCP_SUPER_MAGIC));
  CHECK(is_network_file_system(CEPH_SUPER_MAGIC));
  CHECK(is_network_file_system(OCFS2_SUPER_MAGIC));
  // f_type is a signed long: the magic may arrive with its sign extended.
  CHECK(is_network_file_system(static_cast<int>(SMB2_SUPER_MAGIC)));
  CHECK_FALSE(is_network_file_system(EXT4_SUPER_MAGIC));
  CHECK_FALSE(is_network_file_system(TMPFS_MAGIC));
  CHECK_FALSE(is_network_file_system(XFS_SUPER_MAGIC));
  CHECK_FALSE(is_network_file_system(OVERLAYFS_SUPER_MAGIC));
}

TEST_CASE("a file is guarded once", "[store]") {
  const ScratchFolder folder;
  {
    const auto guard = FileGuard::acquire(folder.file());
    REQUIRE(guard.ok());
    const auto second = FileGuard::acquire(folder.file());
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().code() == Code::kUnavailable);
  }
  CHECK(FileGuard::acquire(folder.file()).ok());
}

TEST_CASE("a second process is refused and the first one named", "[store]") {
  const ScratchFolder folder;
  StoreOptions options;
  options.database = folder.file();
  WriterProcess holder({"hold", folder.file()});
  REQUIRE(holder.read_line() == "open");
  const auto refused = open_sqlite_store(options);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kUnavailable);
  CHECK_THAT(refused.error().message(), Catch::Contains("in use by process " + std::to_string(holder.pid())));
  holder.kill();
  CHECK(open_sqlite_store(options).ok());
}

TEST_CASE("a child of a process that was killed is waited for", "[store]") {
  const ScratchFolder folder;
  std::array<int, 2> to_child{};
  std::array<int, 2> from_holder{};
  REQUIRE(::pipe2(to_child.data(), O_CLOEXEC) == 0);
  REQUIRE(::pipe2(from_holder.data(), O_CLOEXEC) == 0);
  Fd end_of_child(to_child[1]);
  const pid_t holder = ::fork();
  REQUIRE(holder >= 0);
  if (holder == 0) {
    const auto guard = FileGuard::acquire(folder.file());
    end_of_child.reset();
    char byte = 0;
    if (::fork() == 0) _exit(static_cast<int>(::read(to_child[0], &byte, 1)));  // before the exec of its own program, so to speak
    if (!guard.ok() || ::write(from_holder[1], "+", 1) != 1) _exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  REQUIRE(::read(from_holder[0], &byte, 1) == 1);
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  {
    const Fd lock(::open((folder.file() + ".lock").c_str(), O_RDWR | O_CLOEXEC));
    CHECK(::flock(lock.get(), LOCK_EX | LOCK_NB) != 0);
  }
  auto guard = std::async(std::launch::async, [&] { return FileGuard::acquire(folder.file()).ok(); });
  end_of_child.reset();
  CHECK(guard.get());
}

TEST_CASE("a file that cannot be made is refused with its name", "[store]") {
  StoreOptions options;
  options.database = "/proc/no such/db.sqlite";
  const auto refused = open_sqlite_store(options);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code() == Code::kUnavailable);
  CHECK_THAT(refused.error().message(), Catch::Contains("/proc/no such"));
}

}  // namespace dynflow::persistence
