// All ways to log in.
#include <catch2/catch.hpp>

#include "tests/integration/remote_execution/recorder.h"
#include "tests/integration/remote_execution/sshd.h"

namespace dynflow::remote_execution_test {
namespace {

remote_execution::ScriptJob job_with_key(const std::string& key) {
  auto job = Sshd::get().job("#!/bin/sh\nid -un\n");
  job.connection.key_file = Sshd::get().file(key);
  return job;
}

}  // namespace

TEST_CASE("an RSA key signs with SHA-2", "[ssh]") { CHECK(run_job(job_with_key("id_rsa")).status == 0); }

TEST_CASE("a key with a passphrase", "[ssh]") {
  auto job = job_with_key("id_locked");
  job.connection.passphrase = Secret("open sesame");
  CHECK(run_job(std::move(job)).status == 0);
}

TEST_CASE("a user certificate beside the key", "[ssh]") { CHECK(run_job(job_with_key("id_certified")).status == 0); }

TEST_CASE("a password, tried before the key", "[ssh]") {
  if (!Sshd::get().has_users()) {
    WARN("skipped: needs root to make users");
    return;
  }
  auto job = job_with_key("id_stranger");
  job.connection.user = Sshd::kUser;
  job.connection.password = Secret(Sshd::kUserPassword);
  const Outcome outcome = run_job(std::move(job));
  CHECK(outcome.out == std::string(Sshd::kUser) + "\n");
  CHECK(outcome.status == 0);
}

TEST_CASE("a wrong password and a good key", "[ssh]") {
  auto job = job_with_key("id");
  job.connection.password = Secret("wrong");
  CHECK(run_job(std::move(job)).status == 0);
}

TEST_CASE("an alias of ssh_config", "[ssh]") {
  const std::string config = Sshd::get().file("home/.ssh/config");
  write_file(config, "Host an-alias\n  HostName 127.0.0.1\n");
  auto job = job_with_key("id");
  job.connection.host = "an-alias";
  const Outcome outcome = run_job(std::move(job));
  shell("rm " + config);
  CHECK(outcome.debug == "");
  CHECK(outcome.status == 0);
}

TEST_CASE("a proxy command of ssh_config", "[ssh]") {
  if (!shell("command -v nc >/dev/null")) {
    WARN("skipped: needs nc");
    return;
  }
  const std::string config = Sshd::get().file("home/.ssh/config");
  write_file(config, "Host behind\n  HostName 127.0.0.1\n  ProxyCommand nc %h %p\n");
  auto job = job_with_key("id");
  job.connection.host = "behind";
  const Outcome outcome = run_job(std::move(job));
  shell("rm " + config);
  CHECK(outcome.debug == "");
  CHECK(outcome.status == 0);
}

}  // namespace dynflow::remote_execution_test
