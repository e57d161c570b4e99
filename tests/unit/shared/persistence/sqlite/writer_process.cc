#include "tests/unit/shared/persistence/sqlite/writer_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <filesystem>

namespace dynflow::persistence {

WriterProcess::WriterProcess(std::vector<std::string> arguments) {
  // Built beside this test.
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "store_writer";
  arguments.insert(arguments.begin(), program);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  std::array<int, 2> pipe_fds{};
  REQUIRE(::pipe2(pipe_fds.data(), O_CLOEXEC) == 0);
  output_.reset(pipe_fds[0]);
  const Fd write_end(pipe_fds[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  const int code = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  REQUIRE(code == 0);
}

std::optional<std::string> WriterProcess::read_line() {
  while (true) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    std::array<char, 4096> block{};
    const ssize_t got = ::read(output_.get(), block.data(), block.size());
    if (got <= 0) return std::nullopt;
    buffer_.append(block.data(), static_cast<std::size_t>(got));
  }
}

void WriterProcess::kill() {
  if (!is_running_) return;
  is_running_ = false;
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
}

}  // namespace dynflow::persistence
