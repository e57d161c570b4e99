#include "migration/config/move.h"

#include <catch2/catch.hpp>

#include "shared/settings/yaml.h"
#include "tests/unit/migration/site/tree.h"

using namespace dynflow;
using namespace dynflow::migration;
using namespace dynflow::migration::testing;

namespace {

constexpr const char* kTrees[] = {"el-2.4-sidecar", "el-2.4-sidecar-katello-customcerts", "deb-2.4-inprocess", "el-2.5-inprocess",
                                  "el-2.5-forced-external", "el-3.0-merged", "el-3.2-core-dropped", "current-30.1-pull-mqtt",
                                  "packaged-defaults/rpm-2.5", "packaged-defaults/deb-2.5", "packaged-defaults/v0.9.4"};

const Fate& fate_of(const Move& move, std::string_view key) {
  for (const Fate& fate : move.fates) {
    if (fate.key == key) return fate;
  }
  throw std::runtime_error("no fate of " + std::string(key));
}

}  // namespace

TEST_CASE("every tree can be moved, and a second time nothing changes", "[migration][move]") {
  for (const char* name : kTrees) {
    for (const Target target : {Target::kInternal, Target::kExternal, Target::kMerged}) {
      INFO(name << " to " << static_cast<int>(target));
      Tree tree(name);
      std::filesystem::create_directories(tree.root() / "etc/foreman-proxy/settings.d");
      const auto move = move_to(site_of(tree.root()), target);
      REQUIRE(move.ok());
      REQUIRE(write(layout_of(tree.root()), *move).ok());
      const Site after = site_of(tree.root());
      CHECK(after.problems.empty());
      const auto wanted = target == Target::kMerged ? std::nullopt : std::optional(target == Target::kExternal);
      CHECK(after.external_core() == wanted);
      const auto again = move_to(after, target);
      REQUIRE(again.ok());
      CHECK(diff_of(*again).empty());
    }
  }
}

TEST_CASE("the flip of an EL sidecar site is one line", "[migration][move]") {
  const auto move = move_to(site_of(fixture("el-2.4-sidecar")), Target::kInternal).value();
  const std::string diff = diff_of(move);
  CHECK(diff.find("-:external_core: true\n") != std::string::npos);
  CHECK(diff.find("+:external_core: false\n") != std::string::npos);
  CHECK(diff.find("+:console_auth: true\n") != std::string::npos);
  CHECK(fate_of(move, "console_auth").text == "moved to /etc/foreman-proxy/settings.d/dynflow.yml");
  CHECK(fate_of(move, "port").text.find("no equivalent") == 0);
  CHECK(fate_of(move, "listen").origin == "/etc/smart_proxy_dynflow_core/settings.yml:15");
}

TEST_CASE("settings that only the sidecar had go to where they count", "[migration][move]") {
  const Site site = site_of(fixture("el-2.4-sidecar-katello-customcerts"));
  const auto move = move_to(site, Target::kInternal).value();
  const Fate& versions = fate_of(move, "tls_disabled_versions");
  CHECK((versions.text.find("settings.yml") != std::string::npos));
  // Never two worlds on one file.
  Tree tree("el-2.4-sidecar-katello-customcerts");
  REQUIRE(write(layout_of(tree.root()), move).ok());
  const Site after = site_of(tree.root());
  CHECK((after.proxy_database.value.empty() || after.proxy_database.value != after.sidecar_database.value));
}

TEST_CASE("a diff to look at has no passwords", "[migration][move]") {
  Tree tree("el-2.4-sidecar");
  tree.write("etc/foreman-proxy/settings.d/dynflow.yml", "---\n:database: postgresql://dynflow:geheim@db.example.com/dynflow # mine@home\n:external_core: true\n");
  tree.write("etc/sysconfig/smart_proxy_dynflow_core", "https_proxy=http://user:geheim@proxy.example.com:3128\n");
  const auto move = move_to(site_of(tree.root()), Target::kInternal).value();
  const std::string diff = diff_of(move);
  CHECK(diff.find("geheim") == std::string::npos);
  CHECK(diff.find(" :database: postgresql://...@db.example.com/dynflow # mine@home\n-:external_core: true\n+:external_core: false\n") != std::string::npos);
  CHECK(diff.find("+Environment=\"https_proxy=http://...@proxy.example.com:3128\"\n") != std::string::npos);
  REQUIRE(write(layout_of(tree.root()), move).ok());
  CHECK(content(tree.root() / "etc/systemd/system/foreman-proxy.service.d/60-dynflow-migrate.conf").find("geheim") != std::string::npos);
}

TEST_CASE("a key without its colon does not decide", "[migration][move]") {
  Tree tree("el-2.4-sidecar");
  tree.write("etc/foreman-proxy/settings.d/dynflow.yml", "---\n:enabled: true\nexternal_core: true\n");
  REQUIRE(write(layout_of(tree.root()), move_to(site_of(tree.root()), Target::kInternal).value()).ok());
  CHECK(site_of(tree.root()).external_core() == false);
}

TEST_CASE("broken files are refused with their line", "[migration][move]") {
  Tree tree("el-2.4-sidecar");
  tree.write("etc/foreman-proxy/settings.d/dynflow.yml", ":external_core: \"yes\"\n");
  CHECK(move_to(site_of(tree.root()), Target::kInternal).error().message().find("dynflow.yml:1") != std::string::npos);
}
