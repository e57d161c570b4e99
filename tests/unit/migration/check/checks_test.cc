#include "migration/check/checks.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/unit/migration/site/tree.h"

using namespace dynflow::migration;
using namespace dynflow::migration::testing;

namespace {

const Finding* finding_of(const std::vector<Finding>& findings, std::string_view id, std::string_view part = "") {
  for (const Finding& finding : findings) {
    if (finding.id == id && finding.seen.find(part) != std::string::npos) return &finding;
  }
  return nullptr;
}

std::vector<Finding> check(const Site& site, Target target, std::optional<std::int64_t> jobs = std::nullopt) { return run_checks({site, target, jobs}); }

}  // namespace

TEST_CASE("all checks are there, each once", "[migration][check]") {
  const auto checks = all_checks();
  REQUIRE(checks.size() == 22);
  for (std::size_t at = 0; at < checks.size(); ++at) {
    CHECK(checks[at].id == fmt::format("C{:02}", at + 1));
    CHECK_FALSE(checks[at].why.empty());
  }
}

TEST_CASE("a core without what runs the jobs of today is found", "[migration][check]") {
  const Tree tree("el-2.4-sidecar");
  tree.write("usr/lib/x86_64-linux-gnu/libdynflow_core.so.1", "");
  const auto seen = [&](std::vector<std::string> operations, Target target = Target::kInternal) {
    const Site site = site_of(tree.root());
    std::vector<std::string> texts;
    for (const Finding& finding : run_checks({site, target, std::nullopt, {}, std::move(operations)})) {
      if (finding.id == "C03") texts.push_back(finding.seen);
    }
    return texts;
  };
  const std::string beside = " is not installed beside /usr/lib/x86_64-linux-gnu/libdynflow_core.so.1";
  const std::vector<std::string> both = {"ssh", "single", "ansible-runner"};
  CHECK(seen({}).empty());
  CHECK(seen(both, Target::kExternal).empty());
  CHECK(seen(both) == std::vector<std::string>{"jobs of ssh run now, and foreman_remote_execution_core.so" + beside,
                                               "jobs of ansible-runner run now, and foreman_ansible_core.so" + beside});
  tree.write("usr/lib/x86_64-linux-gnu/foreman_remote_execution_core.so", "");
  CHECK(seen(both).size() == 1);
  tree.write("etc/sysconfig/foreman-proxy", "DYNFLOW_PLUGIN_PATH=/opt/none:/opt/plugins\n");
  tree.write("opt/plugins/foreman_ansible_core.so", "");
  CHECK(seen(both).empty());
  std::filesystem::remove(tree.root() / "opt/plugins/foreman_ansible_core.so");
  tree.write("etc/foreman-proxy/settings.d/ansible.yml", "---\n:enabled: false\n");
  CHECK(seen(both).empty());
}

TEST_CASE("checks over every tree", "[migration][check]") {
  for (const char* tree : {"el-2.4-sidecar", "el-2.4-sidecar-katello-customcerts", "deb-2.4-inprocess", "el-2.5-inprocess", "el-2.5-forced-external",
                           "el-3.0-merged", "el-3.2-core-dropped", "current-30.1-pull-mqtt", "packaged-defaults/rpm-2.5",
                           "packaged-defaults/deb-2.5", "packaged-defaults/v0.9.4"}) {
    INFO(tree);
    for (const Target target : {Target::kInternal, Target::kExternal, Target::kMerged}) {
      for (const Finding& finding : check(site_of(fixture(tree)), target)) {
        INFO(finding.id << " " << finding.seen);
        CHECK_FALSE(finding.mend.empty());
        CHECK(finding.seen.find(DYNFLOW_CONFIG_FIXTURES) == std::string::npos);
        const bool may_be_error = finding.id == "C04" || finding.id == "C09";
        CHECK((finding.severity == Severity::kWarning || may_be_error));
      }
    }
  }
}

TEST_CASE("an EL sidecar site's differences are found", "[migration][check]") {
  const auto findings = check(site_of(fixture("el-2.4-sidecar")), Target::kInternal);
  CHECK(finding_of(findings, "C05", "/etc/sysconfig/smart_proxy_dynflow_core") != nullptr);
  CHECK(finding_of(findings, "C09", "listens on *") != nullptr);
  const Finding* limit = finding_of(findings, "C10", "LimitNOFILE=1000000");
  REQUIRE(limit != nullptr);
  CHECK(limit->mend.find("foreman-proxy.service.d") != std::string::npos);
  CHECK(finding_of(findings, "C10", "DYNFLOW_DB_CONN_STRING") != nullptr);
  CHECK(finding_of(findings, "C12") == nullptr);
  CHECK(finding_of(findings, "C19") == nullptr);
}

TEST_CASE("two worlds on one file, and two files that disagree", "[migration][check]") {
  CHECK(finding_of(check(site_of(fixture("el-2.4-sidecar-katello-customcerts")), Target::kInternal), "C04") != nullptr);
  CHECK(finding_of(check(site_of(fixture("el-2.5-forced-external")), Target::kExternal), "C05") != nullptr);
}

TEST_CASE("each thing that stands in the way is found", "[migration][check]") {
  Tree tree("el-2.4-sidecar");
  const auto findings_of = [&](Target target, std::optional<std::int64_t> jobs = std::nullopt) { return check(site_of(tree.root()), target, jobs); };
  CHECK(finding_of(findings_of(Target::kInternal, 3), "C12", "3 jobs")->severity == Severity::kError);
  CHECK(finding_of(findings_of(Target::kInternal, 3), "C21") != nullptr);

  tree.write("etc/foreman-proxy/settings.d/remote_execution_ssh.yml", "---\n:async_ssh: true\n");
  CHECK(finding_of(findings_of(Target::kInternal), "C13", ":2:") != nullptr);
  tree.write("etc/logrotate.d/foreman-proxy", "postrotate\n  systemctl kill --signal=SIGUSR1 foreman-proxy\nendscript\n");
  CHECK(finding_of(findings_of(Target::kInternal), "C14", "logrotate.d/foreman-proxy:2") != nullptr);
  tree.write("etc/foreman-installer/scenarios.d/foreman-answers.yaml", "foreman_proxy::plugin::dynflow:\n  external_core: true\n");
  CHECK(finding_of(findings_of(Target::kInternal), "C16") != nullptr);
  CHECK(finding_of(findings_of(Target::kExternal), "C16") == nullptr);
  tree.write("var/lib/dpkg/status", "Package: ruby-foreman-ansible-core\nStatus: install ok installed\nVersion: 4.2.1-1\n");
  CHECK(finding_of(findings_of(Target::kInternal), "C17") != nullptr);
  tree.write("sys/fs/selinux/enforce", "1");
  CHECK(finding_of(findings_of(Target::kInternal), "C18") != nullptr);

  std::filesystem::create_directories(tree.root() / "usr");
  const auto installed = findings_of(Target::kInternal);
  CHECK(finding_of(installed, "C03") != nullptr);
  CHECK(finding_of(installed, "C06", "/etc/puppetlabs/puppet/ssl/certs/proxy.example.com.pem") != nullptr);
  CHECK(finding_of(installed, "C22") != nullptr);

  const auto link = tree.root() / "etc/smart_proxy_dynflow_core/settings.d";
  std::filesystem::remove(link);
  std::filesystem::create_directory(link);
  CHECK(finding_of(findings_of(Target::kInternal), "C19")->severity == Severity::kError);

  tree.write("etc/foreman-proxy/settings.d/dynflow.yml", ":external_core: \"false\"\n");
  CHECK(finding_of(findings_of(Target::kInternal), "C01", "dynflow.yml:1")->severity == Severity::kError);
  CHECK(finding_of(findings_of(Target::kInternal), "C02", "external_core") != nullptr);
}
