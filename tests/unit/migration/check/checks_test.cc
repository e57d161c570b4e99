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

TEST_CASE("what could not be asked is said, not taken for well", "[migration][check]") {
  const Site site = site_of(fixture("el-2.4-sidecar"));
  CheckInput input{site, Target::kInternal, std::nullopt};
  input.proxy_problem = "no answer";
  input.foreman_problem = "no answer";
  const auto findings = run_checks(input);
  CHECK(finding_of(findings, "C12", "not known: no answer")->severity == Severity::kWarning);
  CHECK(finding_of(findings, "C20", "not known: no answer") != nullptr);
}

TEST_CASE("answers of installers are read as YAML", "[migration][check]") {
  Tree tree("el-2.4-sidecar");
  const auto found = [&](const std::string& file, const std::string& line) {
    tree.write("etc/foreman-installer/" + file, line);
    const bool is_found = finding_of(check(site_of(tree.root()), Target::kInternal), "C16") != nullptr;
    std::filesystem::remove(tree.root() / "etc/foreman-installer" / file);
    return is_found;
  };
  for (const char* line : {"  external_core: true\n", "  external_core: true  # as before\n", "external_core: 'true'\r\n", "x::external_core:   \"true\"\n"}) {
    INFO(line);
    CHECK(found("custom-hiera.yaml", line));
  }
  CHECK_FALSE(found("custom-hiera.yaml", "# external_core: true\n"));
  CHECK_FALSE(found("custom-hiera.yaml", "external_core: false # not true\n"));
  CHECK_FALSE(found("scenarios.d/foreman-answers.yaml.bak", "external_core: true\n"));
}

TEST_CASE("what is only right to be there before the change is no error", "[migration][check]") {
  Tree tree("el-2.4-sidecar");
  tree.write("var/lib/dpkg/status", "Package: ruby-smart-proxy-dynflow-core\nStatus: install ok installed\nVersion: 0.3.3-1\n\n"
                                    "Package: ruby-x\nStatus: install ok installed\nVersion: 1\nDepends: ruby-smart-proxy-dynflow-core (<< 0.4)\n");
  tree.write("etc/monit.d/jobs", "check process smart_proxy_dynflow_core\n");
  const Site site = site_of(tree.root());
  CHECK(finding_of(check(site, Target::kInternal), "C17", "is installed")->severity == Severity::kWarning);
  CHECK(finding_of(check(site, Target::kInternal), "C17", "<< 0.4")->severity == Severity::kWarning);
  CHECK(finding_of(check(site, Target::kMerged), "C17", "is installed")->severity == Severity::kError);
  CHECK(finding_of(check(site, Target::kMerged), "C17", "<< 0.4")->severity == Severity::kError);
  CHECK(finding_of(check(site, Target::kInternal), "C14", "monit.d") != nullptr);
  CHECK(finding_of(check(site, Target::kExternal), "C14") == nullptr);
}

TEST_CASE(":core_url: names this host and the port", "[migration][check]") {
  Tree tree("el-2.4-sidecar");
  const auto seen = [&](const std::string& url) {
    tree.write("etc/foreman-proxy/settings.d/dynflow.yml", "---\n:enabled: true\n:external_core: true\n:core_url: " + url + "\n");
    Site site = site_of(tree.root());
    site.layout.root = "/";
    std::string text;
    for (const Finding& finding : check(site, Target::kExternal)) {
      if (finding.id == "C07") text += finding.seen + "\n";
    }
    return text;
  };
  CHECK(seen("https://localhost:8008").empty());
  CHECK(seen("https://127.0.0.1:8008").empty());
  CHECK(seen("https://localhost:80080").find("port") != std::string::npos);
  CHECK(seen("https://localhost").find("is not port 8008") != std::string::npos);
  CHECK(seen("https://192.0.2.1:8008").find("192.0.2.1 is another host") != std::string::npos);
  CHECK(seen("https://core.invalid:8008").find("core.invalid has no address") != std::string::npos);
}

TEST_CASE("passwords in the environment of a unit are not shown", "[migration][check]") {
  Tree tree("el-2.4-sidecar");
  tree.write("etc/sysconfig/smart_proxy_dynflow_core", "DYNFLOW_DB_CONN_STRING=postgres://dynflow:geheim@db.example.com/dynflow\n");
  for (const Finding& finding : check(site_of(tree.root()), Target::kInternal)) CHECK((finding.seen + finding.mend).find("geheim") == std::string::npos);
}

TEST_CASE("each thing that stands in the way is found", "[migration][check]") {
  Tree tree("el-2.4-sidecar");
  const auto findings_of = [&](Target target, std::optional<std::int64_t> jobs = std::nullopt) { return check(site_of(tree.root()), target, jobs); };
  CHECK(finding_of(findings_of(Target::kInternal, 3), "C12", "3 jobs")->severity == Severity::kError);
  CHECK(finding_of(findings_of(Target::kInternal, 3), "C21") != nullptr);

  tree.write("etc/foreman-proxy/settings.d/remote_execution_ssh.yml", "---\n:async_ssh: true\n");
  CHECK(finding_of(findings_of(Target::kInternal), "C13", ":2:") != nullptr);
  for (const char* text : {":async_ssh: yes\n", ":mode:  'ssh-async'\n", ":mode: :pull\n", ":mode: pull-mqtt\n:mqtt_broker: b\n:mqtt_port: 1883\n"}) {
    INFO(text);
    tree.write("etc/foreman-proxy/settings.d/remote_execution_ssh.yml", std::string("---\n:enabled: true\n") + text);
    CHECK(finding_of(findings_of(Target::kInternal), "C13", "remote_execution_ssh.yml:3:") != nullptr);
  }
  tree.write("etc/foreman-proxy/settings.d/remote_execution_ssh.yml", "---\n:mode: ssh  # not :mode: pull\n#:mode: pull\n");
  CHECK(finding_of(findings_of(Target::kInternal), "C13") == nullptr);
  tree.write("etc/foreman-proxy/settings.d/remote_execution_ssh.yml", "---\n:mode: [\n");
  CHECK(finding_of(findings_of(Target::kInternal), "C13", "not known: /etc/foreman-proxy/settings.d/remote_execution_ssh.yml:") != nullptr);
  std::filesystem::remove(tree.root() / "etc/foreman-proxy/settings.d/remote_execution_ssh.yml");
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
