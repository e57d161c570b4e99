#include "migration/site/phase.h"

#include <catch2/catch.hpp>

#include "tests/unit/migration/site/tree.h"

using namespace dynflow::migration;
using namespace dynflow::migration::testing;

namespace {

constexpr const char* kDynflow = "etc/foreman-proxy/settings.d/dynflow.yml";

bool has_mixture(const Assessment& assessment, std::string_view name) {
  for (const Mixture& mixture : assessment.mixtures) {
    if (mixture.name == name) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("phases of every tree", "[migration][phase]") {
  struct Row {
    const char* tree;
    const char* phase;
    const char* mode;
  };
  const std::vector<Row> rows = {
      {"el-2.4-sidecar", "P0", "external"},
      {"el-2.4-sidecar-katello-customcerts", "P0", "external"},
      {"deb-2.4-inprocess", "D-unset", "in-process when the core is loadable, else external"},
      {"el-2.5-inprocess", "P2", "in-process"},
      {"el-2.5-forced-external", "P0", "external"},
      {"el-3.0-merged", "P3", "in-process"},
      {"el-3.2-core-dropped", "P3", "in-process when the core is loadable, else external"},
      {"current-30.1-pull-mqtt", "P3", "in-process when the core is loadable, else external"},
      {"packaged-defaults/rpm-2.5", "D-unset", "in-process when the core is loadable, else external"},
      {"packaged-defaults/deb-2.5", "D-unset", "in-process when the core is loadable, else external"},
      {"packaged-defaults/v0.9.4", "P3", "in-process when the core is loadable, else external"},
  };
  for (const Row& row : rows) {
    INFO(row.tree);
    const Site site = site_of(fixture(row.tree));
    const Assessment assessment = assess(site);
    CHECK(to_string(assessment.phase) == row.phase);
    CHECK(assessment.mode == row.mode);
    CHECK(site.problems.empty());
    CHECK(assessment.why.find(DYNFLOW_CONFIG_FIXTURES) == std::string::npos);
  }
}

TEST_CASE("where values come from", "[migration][site]") {
  const Site site = site_of(fixture("el-2.4-sidecar"));
  CHECK(site.external_core_place() == "/etc/foreman-proxy/settings.d/dynflow.yml:7");
  CHECK(site.sidecar_database.value == "/var/lib/foreman-proxy/dynflow/dynflow.sqlite");
  CHECK(site.sidecar_database.origin == "/etc/sysconfig/smart_proxy_dynflow_core");
  CHECK(site.proxy_database.value.empty());
  CHECK(site.sidecar_folder == SettingsFolder::kLink);
  REQUIRE(site.drop_ins.contains(kSidecarUnit));
  CHECK(site.drop_ins.find(kSidecarUnit)->second.front().find("LimitNOFILE=1000000") != std::string::npos);
}

TEST_CASE("contradictions have names", "[migration][phase]") {
  Tree tree("el-2.5-inprocess");
  Site site = site_of(tree.root());
  site.core = Loadable::kNo;
  CHECK(has_mixture(assess(site), "false-core-not-loadable"));
  CHECK(assess(site).mode == "failed");
  site.core = Loadable::kYes;
  site.sidecar_unit.is_known = site.sidecar_unit.is_active = site.sidecar_unit.is_installed = true;
  CHECK(has_mixture(assess(site), "false-sidecar-running"));
  site.sidecar_unit.main_pid = 7;
  site.core_port_owner = Listener{.pid = 7, .name = "core"};
  CHECK_FALSE(has_mixture(assess(site), "port-of-another"));
  site.core_port_owner->pid = 8;
  CHECK(has_mixture(assess(site), "port-of-another"));
  site.proxy_database = site.sidecar_database = {"/var/lib/x.sqlite", "here"};
  CHECK(has_mixture(assess(site), "one-database"));
  site.sidecar_unit = UnitState{.is_known = true};
  CHECK(has_mixture(assess(site), "sidecar-files-without-unit"));

  Tree merged("el-3.0-merged");
  merged.write(kDynflow, "---\n:enabled: true\n:external_core: true\n");
  CHECK(has_mixture(assess(site_of(merged.root())), "true-after-P3"));

  CHECK(has_mixture(assess([] {
    Site unset = site_of(fixture("packaged-defaults/rpm-2.5"));
    unset.is_red_hat = true;
    return unset;
  }()), "unset-on-red-hat"));

  Site external = site_of(fixture("el-2.4-sidecar"));
  external.layout.root = "/";
  external.sidecar_unit = UnitState{.is_known = true, .is_installed = true};
  CHECK(has_mixture(assess(external), "true-sidecar-not-running"));
}

TEST_CASE("the core makes P1, the proxy's memory a hand-over", "[migration][phase]") {
  Tree tree("el-2.4-sidecar");
  tree.write("usr/lib/x86_64-linux-gnu/libdynflow_core.so.1", "");
  CHECK(assess(site_of(tree.root())).phase == Phase::kP1);
  tree.write("var/lib/foreman-proxy/mode.json", R"({"format":1,"state":"hand-over to in-process"})");
  CHECK(assess(site_of(tree.root())).phase == Phase::kHandOver);
}

TEST_CASE("broken files are problems with a line, never the end", "[migration][site]") {
  Tree tree("el-2.4-sidecar");
  for (const char* text : {"---\n:external_core: \"false\"\n", "---\n- a\n", "---\n:external_core: [\n", "---\n\t:x: 1\n", "\xef\xbb\xbf---\n:a: 1\n"}) {
    tree.write(kDynflow, text);
    INFO(text);
    const Site site = site_of(tree.root());
    REQUIRE(site.problems.size() == 1);
    CHECK(site.problems[0].find("/etc/foreman-proxy/settings.d/dynflow.yml") == 0);
    CHECK(assess(site).phase == Phase::kUnknown);
  }
  for (const char* text : {"---\r\n:external_core: true\r\n", ":external_core: yes"}) {
    tree.write(kDynflow, text);
    CHECK(site_of(tree.root()).external_core() == true);
  }
  std::filesystem::remove(tree.root() / kDynflow);
  std::filesystem::create_directory(tree.root() / kDynflow);
  CHECK(site_of(tree.root()).problems.size() == 1);
  std::filesystem::remove_all(tree.root() / "etc");
  CHECK_NOTHROW(site_of(tree.root()));
}

TEST_CASE("the sidecar's settings.d", "[migration][site]") {
  Tree tree("el-2.4-sidecar");
  const auto link = tree.root() / "etc/smart_proxy_dynflow_core/settings.d";
  std::filesystem::remove(link);
  CHECK(site_of(tree.root()).sidecar_folder == SettingsFolder::kMissing);
  std::filesystem::create_symlink("nowhere", link);
  CHECK(site_of(tree.root()).sidecar_folder == SettingsFolder::kDangling);
  std::filesystem::remove(link);
  std::filesystem::create_directory(link);
  CHECK(site_of(tree.root()).sidecar_folder == SettingsFolder::kFolder);
}
