#include "shared/process/child.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

using namespace dynflow;
using namespace dynflow::process;

namespace {

struct Outcome {
  std::string out;
  Ending ending;
};

void read_all(Fd& fd, std::string& text) {
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n > 0) {
      text.append(buffer, static_cast<std::size_t>(n));
    } else if (n == 0) {
      return;
    } else {
      pollfd wait{fd.get(), POLLIN, 0};
      REQUIRE(::poll(&wait, 1, 10'000) == 1);
    }
  }
}

Outcome run(SpawnOptions options) {
  options.merge_stderr = true;
  Result<Child> child = Child::spawn(options);
  REQUIRE(child.ok());
  Outcome outcome;
  read_all(child->stdout_fd(), outcome.out);
  pollfd wait{child->pidfd(), POLLIN, 0};
  REQUIRE(::poll(&wait, 1, 10'000) == 1);
  const Result<Ending> ending = child->reap();
  REQUIRE(ending.ok());
  outcome.ending = *ending;
  return outcome;
}

Outcome shell(const std::string& script) {
  SpawnOptions options;
  options.argv = {"sh", "-c", script};
  options.environment = clean_environment();
  return run(std::move(options));
}

}  // namespace

TEST_CASE("output and exit codes arrive") {
  const Outcome outcome = shell("echo one; echo two >&2; exit 3");
  CHECK(outcome.out == "one\ntwo\n");
  CHECK_FALSE(outcome.ending.was_signalled);
  CHECK(outcome.ending.value == 3);
}

TEST_CASE("a signal is told apart from an exit code") {
  const Outcome outcome = shell("kill -9 $$");
  CHECK(outcome.ending.was_signalled);
  CHECK(outcome.ending.value == SIGKILL);
}

TEST_CASE("the environment is what was given and nothing else") {
  ::setenv("DYNFLOW_TEST_TOKEN", "do-not-leak", 1);
  const Outcome outcome = shell("env");
  ::unsetenv("DYNFLOW_TEST_TOKEN");
  CHECK(outcome.out.find("do-not-leak") == std::string::npos);
  CHECK(outcome.out.find("PATH=") != std::string::npos);
}

TEST_CASE("no descriptor is inherited") {
  const int leak = ::dup(STDOUT_FILENO);  // without close-on-exec, as a careless library would
  const Outcome outcome = shell("ls /proc/self/fd | tr '\\n' ' '");
  ::close(leak);
  CHECK(outcome.out == "0 1 2 3 ");  // 3 is the directory that ls reads
}

TEST_CASE("signal dispositions are the default ones") {
  struct sigaction before {};
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  const Outcome outcome = shell("yes | head -1; kill -PIPE $$; echo survived");
  ::sigaction(SIGPIPE, &before, nullptr);
  CHECK(outcome.out == "y\n");
  CHECK(outcome.ending.value == SIGPIPE);
}

TEST_CASE("the group is signalled as a whole") {
  SpawnOptions options;
  options.argv = {"sh", "-c", "sleep 300 & echo ready; wait"};
  options.environment = clean_environment();
  Result<Child> child = Child::spawn(options);
  REQUIRE(child.ok());
  pollfd wait{child->stdout_fd().get(), POLLIN, 0};
  REQUIRE(::poll(&wait, 1, 10'000) == 1);
  child->signal_group(SIGTERM);
  std::string rest;
  read_all(child->stdout_fd(), rest);  // ends only when the sleeping child has closed its copy
  CHECK(rest == "ready\n");
}

TEST_CASE("a program or directory that is not there is said at once") {
  SpawnOptions options;
  options.argv = {"no-such-program-anywhere"};
  Result<Child> child = Child::spawn(options);
  REQUIRE_FALSE(child.ok());
  CHECK(child.error().code() == Code::kNotFound);

  options.argv = {"true"};
  options.working_directory = "/no/such/directory";
  Result<Child> elsewhere = Child::spawn(options);
  REQUIRE_FALSE(elsewhere.ok());
  CHECK(elsewhere.error().code() == Code::kNotFound);
}
