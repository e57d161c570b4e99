// Scripts that run: output, exit status, environment, files.
#include <catch2/catch.hpp>

#include "tests/integration/remote_execution/recorder.h"
#include "tests/integration/remote_execution/sshd.h"

namespace dynflow::remote_execution_test {
namespace {

bool left_nothing() { return shell_output("ls -A " + Sshd::get().work_directory()).empty(); }

}  // namespace

TEST_CASE("a script's output and status come back", "[ssh]") {
  const Outcome outcome = run_job(Sshd::get().job("#!/bin/sh\necho hello\necho oops >&2\nexit 3\n"));
  CHECK(outcome.out == "hello\noops\n");
  CHECK(outcome.debug == "");
  CHECK(outcome.status == 3);
  CHECK(outcome.finishes == 1);
  CHECK(left_nothing());
}

TEST_CASE("a script without an interpreter line, with carriage returns taken out by the caller", "[ssh]") {
  const Outcome outcome = run_job(Sshd::get().job("echo plain\n"));
  CHECK(outcome.out == "plain\n");
  CHECK(outcome.status == 0);
}

TEST_CASE("a missing interpreter is the shell's 127", "[ssh]") {
  const Outcome outcome = run_job(Sshd::get().job("#!/no/such/interpreter\n"));
  CHECK(outcome.status == 127);
  CHECK(outcome.out.find("not found") != std::string::npos);
}

TEST_CASE("the script reads nothing and has a terminal to hang up", "[ssh]") {
  const Outcome outcome = run_job(Sshd::get().job("cat\ntest -t 1 || echo no tty; test -c /dev/tty && (: > /dev/tty) && echo ctty\n"));
  CHECK(outcome.out == "no tty\nctty\n");
}

TEST_CASE("20 MB of output arrive whole", "[ssh]") {
  const Outcome outcome = run_job(Sshd::get().job("head -c 20000000 /dev/zero | tr '\\0' x\necho\necho end\n"));
  CHECK(outcome.out.size() == 20000000 + 5);
  CHECK(outcome.out.ends_with("x\nend\n"));
  CHECK(outcome.status == 0);
}

TEST_CASE("bytes that are not text pass unchanged up to the publisher", "[ssh]") {
  const Outcome outcome = run_job(Sshd::get().job("printf '\\377\\376 \\303'; sleep 0.1; printf '\\244\\n'\n"));
  CHECK(outcome.out == "\xff\xfe \xc3\xa4\n");
  CHECK(outcome.status == 0);
}

TEST_CASE("a script that kills itself ends with 128 and the signal", "[ssh]") {
  CHECK(run_job(Sshd::get().job("#!/bin/sh\nkill -KILL $$\n")).status == 137);
}

TEST_CASE("a big script is uploaded whole", "[ssh]") {
  std::string script = "#!/bin/sh\n";
  while (script.size() < 5'000'000) script += ": this line makes the script bigger than any window of the connection\n";
  script += "echo done\n";
  const Outcome outcome = run_job(Sshd::get().job(script));
  CHECK(outcome.out == "done\n");
  CHECK(outcome.status == 0);
}

TEST_CASE("files have the names and modes that people know, and stay when asked to", "[ssh]") {
  auto job = Sshd::get().job("echo kept\nls -l $(dirname $0) | awk 'NR>1{print $1,$NF}'\n");
  const std::string path = job.directory.path();
  job.removes_directory = false;
  const Outcome outcome = run_job(std::move(job));
  CHECK(outcome.out.find("-r-x------ script\n") != std::string::npos);
  CHECK(outcome.out.find("-r-x------ script-wrapper\n") != std::string::npos);
  CHECK(outcome.out.find("-rw------- output\n") != std::string::npos);
  CHECK(outcome.out.find("pid\n") != std::string::npos);
  CHECK(read_file(path + "/exit_code") == "0\n");
  CHECK(read_file(path + "/output").starts_with("kept\n"));
  shell("rm -rf " + path);
}

TEST_CASE("a working directory with blanks, quotes and dollars", "[ssh]") {
  auto job = Sshd::get().job("echo here\n");
  job.directory.base += "/a b'c\"d$HOME;echo e";
  const Outcome outcome = run_job(std::move(job));
  CHECK(outcome.out == "here\n");
  CHECK(outcome.status == 0);
  shell("rm -rf " + Sshd::get().work_directory() + "/a*");
}

TEST_CASE("announced power actions are a success when the connection goes", "[ssh]") {
  bool is_cut = false;
  const auto cut = [&](Running& running) {
    if (is_cut) return;
    is_cut = true;
    running.loop.post([] { Sshd::get().cut_connections(); });
  };
  CHECK(run_job(Sshd::get().job("echo restart host\nsleep 30\n"), cut).status == 0);
  is_cut = false;
  const Outcome outcome = run_job(Sshd::get().job("echo busy\nsleep 30\n"), cut);
  CHECK(outcome.status == 255);
  CHECK(outcome.debug.find("Connection to the host was lost") != std::string::npos);
}

}  // namespace dynflow::remote_execution_test
