#include "migration/rehearse/site_settings.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "migration/rehearse/playground.h"

namespace dynflow::migration {
namespace {

// settings.yml and settings.d/dynflow.yml below a playground.
SiteSettings read(const Playground& playground, const std::string& dynflow) {
  const auto folder = playground.folder("settings.d");
  REQUIRE(folder.ok());
  REQUIRE(write_file(playground.path() / "settings.yml", "---\n:log_level: WARN\n:http_port: 8000\n").ok());
  REQUIRE(write_file(*folder / "dynflow.yml", dynflow).ok());
  return read_site(playground.path());
}

bool mentions(const std::vector<std::string>& notes, std::string_view word) {
  return std::any_of(notes.begin(), notes.end(), [&](const std::string& note) { return note.find(word) != std::string::npos; });
}

TEST_CASE("Without settings of the site the defaults are used, and it says so") {
  const SiteSettings site = read_site("/nonexistent");
  CHECK(site.source.empty());
  CHECK(site.is_database_file);
  REQUIRE(site.notes.size() == 1);
}

TEST_CASE("The site's limits and log level are taken over, its places are not") {
  const auto playground = Playground::make();
  REQUIRE(playground.ok());
  const SiteSettings site = read(*playground, "---\n:enabled: true\n:database:\n:max_running_runners: 7\n");
  CHECK(site.source == playground->path());
  CHECK(site.log_level == "WARN");
  CHECK(site.runner_limits.max_running == 7);
  CHECK_FALSE(site.is_database_file);
}

TEST_CASE("A site on PostgreSQL is rehearsed on a file, with a note") {
  const auto playground = Playground::make();
  REQUIRE(playground.ok());
  const SiteSettings site = read(*playground, "---\n:enabled: true\n:database: postgresql://db.example.com/dynflow\n");
  CHECK(site.is_database_file);
  CHECK(mentions(site.notes, "PostgreSQL"));
}

TEST_CASE("The folder of the modules is below the root, too") {
  const auto playground = Playground::make();
  REQUIRE(playground.ok());
  const auto modules = playground->folder("etc/modules");
  REQUIRE(modules.ok());
  REQUIRE(write_file(playground->path() / "etc/settings.yml", "---\n:settings_directory: /etc/modules\n").ok());
  REQUIRE(write_file(*modules / "dynflow.yml", "---\n:enabled: true\n:database:\n:max_running_runners: 7\n").ok());
  CHECK(read_site("/etc", playground->path()).runner_limits.max_running == 7);
}

TEST_CASE("A file with a mistake is not used, and the note names the line") {
  const auto playground = Playground::make();
  REQUIRE(playground.ok());
  const SiteSettings site = read(*playground, "---\n:max_running_runners: many\n");
  CHECK(mentions(site.notes, "dynflow.yml:2"));
  CHECK(site.runner_limits.max_running == settings::RunnerLimits().max_running);
}

}  // namespace
}  // namespace dynflow::migration
