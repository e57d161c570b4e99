// Cancel and timeout end the process tree.
#include <catch2/catch.hpp>

#include "tests/integration/remote_execution/recorder.h"
#include "tests/integration/remote_execution/sshd.h"

namespace dynflow::remote_execution_test {
namespace {

Watcher once_started(std::function<void(runner::Runner&)> act) {
  auto is_done = std::make_shared<bool>(false);
  return [is_done, act](Running& running) {
    if (running.outcome.out.find("started") == std::string::npos || std::exchange(*is_done, true)) return;
    running.loop.post([act, &runner = running.runner] { act(runner); });
  };
}

bool left_nothing() { return shell_output("ls -A " + Sshd::get().work_directory()).empty(); }
bool runs(const std::string& command) { return shell("pgrep -f '^" + command + "' >/dev/null"); }

}  // namespace

TEST_CASE("cancel ends a script with 143", "[ssh]") {
  const Outcome outcome = run_job(Sshd::get().job("#!/bin/sh\necho started\nsleep 71\n"),
                                  once_started([](runner::Runner& runner) { runner.kill(); }));
  CHECK(outcome.status == 143);
  CHECK_THAT(outcome.out, Catch::StartsWith("started\n"));
  CHECK_FALSE(runs("sleep 71"));
  CHECK(left_nothing());
}

TEST_CASE("cancel ends a script that ignores everything, and what it started", "[ssh]") {
  const std::string script =
      "#!/bin/bash\ntrap '' TERM HUP INT\nset -m\nsh -c 'sleep 72; sleep 72' &\n"
      "(sleep 73; sleep 73) &\necho started\nsleep 74\nsleep 74\n";
  const Outcome outcome =
      run_job(Sshd::get().job(script), once_started([](runner::Runner& runner) { runner.kill(); runner.kill(); }));
  CHECK(outcome.status == 137);
  CHECK(outcome.finishes == 1);
  for (const char* command : {"sleep 72", "sleep 73", "sleep 74"}) CHECK_FALSE(runs(command));
  CHECK(left_nothing());
}

TEST_CASE("timeout says so and does the same", "[ssh]") {
  const Outcome outcome = run_job(Sshd::get().job("#!/bin/sh\necho started\nsleep 75\n"),
                                  once_started([](runner::Runner& runner) { runner.timeout(); }));
  CHECK_THAT(outcome.debug, Catch::StartsWith("Timeout for execution passed, trying to stop the job"));
  CHECK(outcome.status == 143);
  CHECK_FALSE(runs("sleep 75"));
}

TEST_CASE("a script that is over while it is stopped keeps its status", "[ssh]") {
  const Outcome outcome = run_job(Sshd::get().job("#!/bin/sh\ntrap 'exit 7' TERM\necho started\nsleep 76 & wait\n"),
                                  once_started([](runner::Runner& runner) { runner.kill(); }));
  CHECK(outcome.status == 7);
  CHECK_FALSE(runs("sleep 76"));
  CHECK(left_nothing());
}

TEST_CASE("cancel before anything happened", "[ssh]") {
  std::vector<remote_execution::ScriptJob> jobs;
  jobs.push_back(Sshd::get().job("sleep 77\n"));
  jobs.push_back(Sshd::get().job("echo x >&2; exit 0\n"));
  // The second one's output is the sign to look at the first, which was stopped before its start.
  const auto outcomes = run_jobs(std::move(jobs), {}, std::chrono::seconds(100), [](runner::Runner& runner, std::size_t index) {
    if (index == 0) runner.kill();
  });
  CHECK(outcomes[0].status == "EXCEPTION");
  CHECK_THAT(outcomes[0].debug, Catch::Contains("stopped before the script was started"));
  CHECK(outcomes[1].status == 0);
  CHECK(left_nothing());
}

TEST_CASE("a lost connection hangs the script up and it cleans up behind itself", "[ssh]") {
  const Outcome outcome = run_job(Sshd::get().job("#!/bin/sh\necho started\nsleep 78\n"), once_started([](runner::Runner&) {
                                    Sshd::get().cut_connections();
                                  }));
  CHECK(outcome.status == 255);
  for (int i = 0; i < 100 && (runs("sleep 78") || !left_nothing()); ++i) shell("sleep 0.1");
  CHECK_FALSE(runs("sleep 78"));
  CHECK(left_nothing());
}

}  // namespace dynflow::remote_execution_test
