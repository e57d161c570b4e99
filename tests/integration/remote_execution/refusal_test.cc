// Jobs that never start: upstream's texts, EXCEPTION, nothing left on the host.
#include <catch2/catch.hpp>

#include <fmt/core.h>
#include <unistd.h>

#include "shared/executors/remote_execution/known_hosts.h"
#include "tests/integration/remote_execution/recorder.h"
#include "tests/integration/remote_execution/sshd.h"

namespace dynflow::remote_execution_test {
namespace {

constexpr const char* kNoConnection =
    "Error initializing command: RuntimeError - Could not establish connection to remote host using any available "
    "authentication method, tried publickey\n\nAuthentication method 'publickey' failed with:\n";

void check_refused(const Outcome& outcome, const std::string& text) {
  CHECK(outcome.debug == text);
  CHECK(outcome.out == "");
  CHECK(outcome.status == "EXCEPTION");
  CHECK(outcome.finishes == 1);
  CHECK(shell_output("ls -A " + Sshd::get().work_directory()) == "");
}

void check_refused_like(const Outcome& outcome, const std::string& part) {
  CHECK_THAT(outcome.debug, Catch::Contains(part));
  CHECK(outcome.out == "");
  CHECK(outcome.status == "EXCEPTION");
  CHECK(shell_output("ls -A " + Sshd::get().work_directory()) == "");
}

}  // namespace

TEST_CASE("an unknown host", "[ssh]") {
  auto job = Sshd::get().job("true\n");
  job.connection.host = "no-such-host.invalid";
  check_refused_like(run_job(std::move(job)),
                     std::string(kNoConnection) + "ssh: Could not resolve hostname no-such-host.invalid: ");
}

TEST_CASE("a port where nobody listens", "[ssh]") {
  auto job = Sshd::get().job("true\n");
  job.connection.port = 1;
  check_refused(run_job(std::move(job)),
                std::string(kNoConnection) + "ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n");
}

TEST_CASE("a key that the host does not take", "[ssh]") {
  auto job = Sshd::get().job("true\n");
  const std::string user = job.connection.user;
  job.connection.key_file = Sshd::get().file("id_stranger");
  check_refused(run_job(std::move(job)),
                kNoConnection + user + "@127.0.0.1: Permission denied (publickey,password).\r\n");
}

TEST_CASE("two methods that both fail", "[ssh]") {
  auto job = Sshd::get().job("true\n");
  const std::string user = job.connection.user;
  job.connection.key_file = Sshd::get().file("id_stranger");
  job.connection.password = Secret("wrong");
  const std::string denied = user + "@127.0.0.1: Permission denied (publickey,password).\r\n";
  check_refused(run_job(std::move(job)),
                "Error initializing command: RuntimeError - Could not establish connection to remote host using any "
                "available authentication method, tried password, publickey\n\nAuthentication method 'password' failed "
                "with:\n" + denied + "\nAuthentication method 'publickey' failed with:\n" + denied);
}

TEST_CASE("a locked key without its passphrase", "[ssh]") {
  auto job = Sshd::get().job("true\n");
  job.connection.key_file = Sshd::get().file("id_locked");
  check_refused(run_job(std::move(job)),
                "Error initializing command: RuntimeError - There are no available authentication methods");
}

TEST_CASE("a wrong passphrase and a missing key", "[ssh]") {
  auto job = Sshd::get().job("true\n");
  job.connection.key_file = Sshd::get().file("id_locked");
  job.connection.passphrase = Secret("close sesame");
  check_refused_like(run_job(std::move(job)), "incorrect passphrase supplied to decrypt private key");
  job = Sshd::get().job("true\n");
  job.connection.key_file = Sshd::get().file("nothing");
  check_refused_like(run_job(std::move(job)), "No such file or directory");
}

TEST_CASE("a directory that cannot be made", "[ssh]") {
  auto job = Sshd::get().job("true\n");
  job.directory.base = "/proc/nowhere";
  const std::string path = job.directory.path();
  check_refused_like(run_job(std::move(job)),
                     "Error initializing command: RuntimeError - Unable to create directory " + path +
                         " on remote system, exit code: 1");
}

TEST_CASE("a working directory where nothing may be executed", "[ssh]") {
  const std::string mount = Sshd::get().file("noexec");
  shell("mkdir -p " + mount);
  if (!shell("mount -t tmpfs -o noexec tmpfs " + mount + " 2>/dev/null")) {
    WARN("skipped: mounting is not permitted here");
    return;
  }
  auto job = Sshd::get().job("true\n");
  job.directory.base = mount;
  const Outcome outcome = run_job(std::move(job));
  const std::string left = shell_output("ls -A " + mount);
  shell("umount " + mount);
  check_refused_like(outcome,
                     "Error initializing command: RuntimeError - Failed to execute script on remote machine, exit code: 126.");
  CHECK(left == "");
}

TEST_CASE("a changed host key is refused, and accepted at the first execution", "[ssh]") {
  const Sshd& sshd = Sshd::get();
  const std::string stranger = read_file(sshd.file("id_stranger.pub"));
  const std::string good = read_file(sshd.known_hosts());
  write_file(sshd.known_hosts(), "# kept\n" + remote_execution::known_hosts_name("127.0.0.1", sshd.port()) + " " + stranger);
  check_refused_like(run_job(sshd.job("true\n")), "REMOTE HOST IDENTIFICATION HAS CHANGED");

  auto job = sshd.job("true\n");
  job.connection.forgets_host_key = true;
  CHECK(run_job(std::move(job)).status == 0);
  const std::string now = read_file(sshd.known_hosts());
  CHECK_THAT(now, Catch::StartsWith("# kept\n"));
  CHECK_THAT(now, !Catch::Contains(stranger.substr(0, 70)));
  CHECK(run_job(sshd.job("true\n")).status == 0);
  if (!good.empty()) write_file(sshd.known_hosts(), good);
}

TEST_CASE("an unknown host where hosts must be known", "[ssh]") {
  auto job = Sshd::get().job("true\n");
  job.connection.strict_known_hosts = Sshd::get().file("authorized_keys");
  check_refused_like(run_job(std::move(job)), "Host key verification failed.\r\n");
}

TEST_CASE("a host that accepts and says nothing times out", "[ssh]") {
  if (!shell("command -v python3 >/dev/null")) {
    WARN("skipped: needs python3");
    return;
  }
  const std::string port_file = Sshd::get().file("silent");
  shell("python3 -c 'import socket,time\ns=socket.create_server((\"127.0.0.1\",0))\nopen(\"" + port_file +
        "\",\"w\").write(str(s.getsockname()[1]))\ntime.sleep(20)' & while ! test -s " + port_file + "; do sleep 0.05; done");
  auto job = Sshd::get().job("true\n");
  job.connection.port = static_cast<std::uint16_t>(std::stoi(read_file(port_file)));
  job.connection.connect_timeout = std::chrono::milliseconds(500);
  check_refused_like(run_job(std::move(job)), "Connection timed out\r\n");
}

}  // namespace dynflow::remote_execution_test
