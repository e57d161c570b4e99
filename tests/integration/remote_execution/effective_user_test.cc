// Running as another user. Needs root, to make users.
#include <catch2/catch.hpp>

#include <fmt/core.h>

#include <tuple>

#include "tests/integration/remote_execution/recorder.h"
#include "tests/integration/remote_execution/sshd.h"

namespace dynflow::remote_execution_test {
namespace {

using remote_execution::UserMethod;

bool is_skipped(const char* program) {
  if (!Sshd::get().has_users()) {
    WARN("skipped: needs root to make users");
    return true;
  }
  if (!shell(fmt::format("command -v {} >/dev/null", program))) {
    WARN("skipped: needs " << program);
    return true;
  }
  return false;
}

remote_execution::ScriptJob job_as(const std::string& login, UserMethod method, const std::string& user,
                                   const std::string& password, const std::string& script = "#!/bin/sh\nid -un\nexit 4\n") {
  auto job = Sshd::get().job(script);
  job.connection.user = login;
  job.user.method = method;
  job.user.name = user;
  job.user.password = Secret(password);
  return job;
}

bool left_nothing() { return shell_output("ls -A " + Sshd::get().work_directory()).empty(); }

}  // namespace

TEST_CASE("root becomes another user by sudo and by su", "[ssh]") {
  for (const auto& [program, method] : {std::pair("sudo", UserMethod::kSudo), std::pair("su", UserMethod::kSu)}) {
    if (is_skipped(program)) continue;
    INFO(program);
    const Outcome outcome = run_job(job_as("root", method, Sshd::kOther, ""));
    CHECK(outcome.out == std::string(Sshd::kOther) + "\n");
    CHECK(outcome.debug == "");
    CHECK(outcome.status == 4);
    CHECK(left_nothing());
  }
}

TEST_CASE("sudo without a password", "[ssh]") {
  if (is_skipped("sudo")) return;
  const Outcome outcome = run_job(job_as(Sshd::kOther, UserMethod::kSudo, Sshd::kUser, ""));
  CHECK(outcome.out == std::string(Sshd::kUser) + "\n");
  CHECK(outcome.status == 4);
  CHECK(left_nothing());
}

TEST_CASE("sudo and su with a password: prompt swallowed, password masked", "[ssh]") {
  const std::string script = fmt::format("#!/bin/sh\nid -un\nprintf 'it is %s' '{0}'\necho\necho '{0}'\n", Sshd::kUserPassword) +
                             fmt::format("echo '{}'\n", Sshd::kOtherPassword);
  if (is_skipped("sudo")) return;
  const Outcome sudo = run_job(job_as(Sshd::kUser, UserMethod::kSudo, Sshd::kOther, Sshd::kUserPassword, script));
  CHECK(sudo.out == fmt::format("{}\nit is *****\n*****\n{}\n", Sshd::kOther, Sshd::kOtherPassword));
  CHECK(sudo.debug == "");
  CHECK(sudo.status == 0);
  const Outcome su = run_job(job_as(Sshd::kUser, UserMethod::kSu, Sshd::kOther, Sshd::kOtherPassword, script));
  CHECK(su.out == fmt::format("{}\nit is {}\n{}\n*****\n", Sshd::kOther, Sshd::kUserPassword, Sshd::kUserPassword));
  CHECK(su.debug == "");
  CHECK(su.status == 0);
  CHECK(left_nothing());
}

TEST_CASE("sudo asks and there is no password, or a wrong one", "[ssh]") {
  if (is_skipped("sudo")) return;
  shell(fmt::format("rm -rf /run/sudo/ts/{0} /var/run/sudo/ts/{0}", Sshd::kUser));
  const Outcome none = run_job(job_as(Sshd::kUser, UserMethod::kSudo, Sshd::kOther, ""));
  CHECK_THAT(none.debug, Catch::StartsWith("Error initializing command: RuntimeError - Failed to change to effective user"));
  CHECK_THAT(none.debug, Catch::Contains("sudo asks for a password and none was given"));
  CHECK(none.out == "");
  CHECK(none.status == "EXCEPTION");
  CHECK(left_nothing());
  const Outcome wrong = run_job(job_as(Sshd::kUser, UserMethod::kSudo, Sshd::kOther, "wrong"));
  CHECK_THAT(wrong.debug, Catch::Contains("Failed to change to effective user, exit code: 1"));
  CHECK_THAT(wrong.debug, Catch::Contains("sudo did not take the password"));
  CHECK(wrong.status == "EXCEPTION");
  CHECK(left_nothing());
  const Outcome su = run_job(job_as(Sshd::kUser, UserMethod::kSu, Sshd::kOther, "wrong"));
  CHECK_THAT(su.debug, Catch::Contains("Failed to change to effective user, exit code: 1"));
  CHECK(su.status == "EXCEPTION");
  CHECK(left_nothing());
}

TEST_CASE("a program for changing the user that is not there", "[ssh]") {
  if (is_skipped("sudo")) return;
  const Outcome outcome = run_job(job_as("root", UserMethod::kDzdo, Sshd::kOther, ""));
  CHECK_THAT(outcome.debug, Catch::StartsWith(
      "Error initializing command: RuntimeError - Failed to change to effective user, exit code: 127"));
  CHECK(outcome.status == "EXCEPTION");
  CHECK(left_nothing());
}

TEST_CASE("a script may print what looks like a prompt", "[ssh]") {
  if (is_skipped("sudo")) return;
  const Outcome outcome =
      run_job(job_as("root", UserMethod::kSudo, Sshd::kOther, "unused", "#!/bin/sh\nprintf 'rex login: '\necho done\n"));
  CHECK(outcome.out == "rex login: done\n");
  CHECK(outcome.status == 0);
}

TEST_CASE("without ACLs the script is opened, or the job refused", "[ssh]") {
  if (is_skipped("sudo")) return;
  auto job = job_as("root", UserMethod::kSudo, Sshd::kOther, "");
  job.acl = remote_execution::AclPolicy::kNever;
  CHECK(run_job(std::move(job)).status == 4);
  CHECK(left_nothing());
}

TEST_CASE("another user's script is stopped as well", "[ssh]") {
  if (is_skipped("sudo")) return;
  const std::string script = "#!/bin/sh\ntrap '' TERM HUP\necho started\nsleep 61\nsleep 61\n";
  for (const auto& [login, method, password] : {std::tuple(Sshd::kUser, UserMethod::kSudo, Sshd::kUserPassword),
                                                std::tuple("root", UserMethod::kSu, "")}) {
    bool is_killed = false;
    const Outcome outcome = run_job(job_as(login, method, Sshd::kOther, password, script), [&](Running& running) {
      if (!std::exchange(is_killed, true)) running.loop.post([&runner = running.runner] { runner.kill(); });
    });
    INFO(login);
    CHECK(outcome.finishes == 1);
    CHECK(outcome.status == 137);
    CHECK_FALSE(shell("pgrep -u rexother -f 'sleep 61' >/dev/null"));
    CHECK(left_nothing());
  }
}

}  // namespace dynflow::remote_execution_test
