// Many hosts in one loop, and nothing left of them.
#include <catch2/catch.hpp>

#include <fmt/core.h>
#include <sys/resource.h>

#include <cstdio>
#include <filesystem>

#include "tests/integration/remote_execution/recorder.h"
#include "tests/integration/remote_execution/sshd.h"

namespace dynflow::remote_execution_test {
namespace {

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

double cpu_ms() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval& t) { return static_cast<double>(t.tv_sec) * 1000 + static_cast<double>(t.tv_usec) / 1000; };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

}  // namespace

TEST_CASE("100 hosts at once", "[ssh]") {
  CHECK(run_job(Sshd::get().job("true\n")).status == 0);  // the host key is known from here on
  const std::size_t descriptors = open_descriptors();
  std::vector<remote_execution::ScriptJob> jobs;
  for (int i = 0; i < 100; ++i) jobs.push_back(Sshd::get().job(fmt::format("#!/bin/sh\necho host {}\n", i)));
  const double before = cpu_ms();
  const auto outcomes = run_jobs(std::move(jobs), {}, std::chrono::seconds(240));
  std::printf("client CPU a host: %.1f ms\n", (cpu_ms() - before) / 100);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    CHECK(outcomes[i].out == fmt::format("host {}\n", i));
    CHECK(outcomes[i].debug == "");
    CHECK(outcomes[i].status == 0);
    CHECK(outcomes[i].finishes == 1);
  }
  CHECK(open_descriptors() == descriptors);
  CHECK(shell_output("ls -A " + Sshd::get().work_directory()) == "");
}

TEST_CASE("30 jobs that fail in all ways leave no descriptor", "[ssh]") {
  const std::size_t descriptors = open_descriptors();
  std::vector<remote_execution::ScriptJob> jobs;
  for (int i = 0; i < 30; ++i) {
    auto job = Sshd::get().job("exit 1\n");
    if (i % 3 == 0) job.connection.port = 1;
    if (i % 3 == 1) job.connection.key_file = Sshd::get().file("id_stranger");
    if (i % 3 == 2) job.directory.base = "/proc/nowhere";
    jobs.push_back(std::move(job));
  }
  for (const Outcome& outcome : run_jobs(std::move(jobs), {}, std::chrono::seconds(240))) CHECK(outcome.status == "EXCEPTION");
  CHECK(open_descriptors() == descriptors);
}

}  // namespace dynflow::remote_execution_test
