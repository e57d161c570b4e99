#include "shared/settings/module.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "shared/json/json.h"
#include "shared/settings/remote_execution_ssh.h"
#include "tests/unit/shared/settings/support.h"

namespace dynflow::settings {
namespace {

std::string settings_d(const std::string& tree) { return kFixtures + "/" + tree + "/etc/foreman-proxy/settings.d"; }

DynflowSettings dynflow_of(const std::string& tree) {
  auto settings = load_dynflow(settings_d(tree));
  if (!settings.ok()) FAIL(settings.error().message());
  return std::move(settings).value();
}

// One of the edge files as dynflow.yml.
Result<DynflowSettings> dynflow_edge(const TemporaryFolder& folder, const std::string& name) {
  std::filesystem::copy_file(kFixtures + "/edge/" + name, folder.path() + "/dynflow.yml",
                             std::filesystem::copy_options::overwrite_existing);
  return load_dynflow(folder.path());
}

constexpr Enabled kBoth{true, true};
constexpr Enabled kHttps{false, true};

// Foreman's proxy_request_timeout is 60 s by default: it should get an answer rather than a time-out of its own.
TEST_CASE("a request ends before Foreman gives it up") {
  const TemporaryFolder folder;
  std::ofstream(folder.path() + "/dynflow.yml") << ":enabled: true\n";
  const auto settings = load_dynflow(folder.path());
  REQUIRE(settings.ok());
  CHECK(settings->core_timeout >= std::chrono::seconds(50));
  CHECK(settings->core_timeout <= std::chrono::seconds(55));
  // A GET has time for its second try.
  CHECK(settings->core_try_timeout < settings->core_timeout);
}

TEST_CASE(":enabled: is read as the table of fixtures says") {
  std::ifstream in(kFixtures + "/expected-effective.json");
  std::stringstream text;
  text << in.rdbuf();
  const Json expected = json::parse(text.str()).value();
  const Json* values = json::find(expected, "enabled_values");
  REQUIRE(values != nullptr);
  REQUIRE(values->size() >= 14);
  const TemporaryFolder folder;
  for (const auto& [name, listeners] : values->items()) {
    INFO(name);
    const auto settings = dynflow_edge(folder, "enabled-" + name + ".yml");
    REQUIRE(settings.ok());
    Enabled wanted;
    for (const Json& listener : listeners) (listener == "http" ? wanted.http : wanted.https) = true;
    CHECK(settings->enabled == wanted);
    const bool is_plain = wanted.is_on() || name == "false" || name == "no" || name == "null";
    CHECK(settings->module.warnings.size() == (is_plain ? 0 : 1));
  }
}

TEST_CASE("dynflow.yml: external_core is a boolean, absent or null, and nothing else") {
  const TemporaryFolder folder;
  const auto null = dynflow_edge(folder, "external-core-null.yml");
  REQUIRE(null.ok());
  CHECK_FALSE(null->external_core.has_value());
  CHECK(null->module.values.is_present("external_core"));
  CHECK(null->module.values.place("external_core") == folder.path() + "/dynflow.yml:4");

  CHECK(dynflow_edge(folder, "external-core-no.yml")->external_core == false);
  const auto twice = dynflow_edge(folder, "duplicate-keys.yml");
  CHECK(twice->external_core == false);
  CHECK(twice->module.warnings.size() == 1);
  CHECK(dynflow_edge(folder, "no-marker.yml")->external_core == true);
  const auto crlf = dynflow_edge(folder, "crlf.yml");
  CHECK(crlf->external_core == true);
  CHECK(crlf->enabled == kHttps);

  const auto text = dynflow_edge(folder, "external-core-string-false.yml");
  REQUIRE_FALSE(text.ok());
  CHECK(text.error().message() ==
        folder.path() + "/dynflow.yml:4: :external_core: expected boolean, got string false");
}

TEST_CASE("dynflow.yml: deleted tasks are kept when that is asked for") {
  const TemporaryFolder folder;
  const auto backup_folder = [&](std::string_view text) {
    folder.write("dynflow.yml", text);
    const auto settings = load_dynflow(folder.path());
    REQUIRE(settings.ok());
    return settings->backup_folder;
  };
  CHECK(backup_folder(":backup_dir: /backup\n").empty());
  CHECK(backup_folder(":backup_deleted_plans: false\n:backup_dir: /backup\n").empty());
  CHECK(backup_folder(":backup_deleted_plans: true\n") == "/var/lib/foreman-proxy/dynflow/backup");
  CHECK(backup_folder(":backup_deleted_plans: true\n:backup_dir: /backup\n") == "/backup");
}

TEST_CASE("dynflow.yml: edge files") {
  const TemporaryFolder folder;
  for (const char* name : {"empty.yml", "only-marker.yml", "only-comments.yml"}) {
    INFO(name);
    const auto settings = dynflow_edge(folder, name);
    REQUIRE(settings.ok());
    CHECK_FALSE(settings->enabled.is_on());
    CHECK(settings->core_url == "http://localhost:8008");
    CHECK(settings->console_auth);
    CHECK(settings->execution_plan_cleaner_age == std::chrono::seconds(1800));
    CHECK_FALSE(settings->database.has_value());
    CHECK_FALSE(settings->external_core.has_value());
    CHECK(settings->module.warnings.empty());
  }
  CHECK(dynflow_edge(folder, "null-defaults-dynflow.yml").error().message() ==
        folder.path() + "/dynflow.yml:3: :console_auth: expected boolean, got null");
  const auto noted = load_dynflow(folder.path(), Missing::kNoted);
  REQUIRE(noted.ok());
  CHECK(noted->module.failure() == "Parameter 'console_auth' is expected to have a non-empty value (" + folder.path() + "/dynflow.yml:3)");
  CHECK(noted->console_auth);
  for (const char* name : {"alias.yml", "list-not-map.yml", "tab-indent.yml", "utf8-bom.yml", "date-value.yml"}) {
    INFO(name);
    CHECK_FALSE(dynflow_edge(folder, name).ok());
  }

  const auto strings = dynflow_edge(folder, "string-keys-plugin.yml");
  REQUIRE(strings.ok());
  CHECK_FALSE(strings->enabled.is_on());
  CHECK_FALSE(strings->database.has_value());
  CHECK(strings->module.warnings.size() == 2);

  const auto unknown = dynflow_edge(folder, "unknown-keys.yml");
  REQUIRE(unknown.ok());
  CHECK(unknown->enabled == kHttps);
  CHECK(unknown->module.warnings ==
        std::vector<std::string>{folder.path() + "/dynflow.yml:4: unknown key :this_key_is_not_known:"});
}

TEST_CASE("a missing file means the defaults, in upstream's words") {
  const auto dynflow = load_module(dynflow_table(), "/nonexistent");
  REQUIRE(dynflow.ok());
  CHECK_FALSE(dynflow->is_file_there);
  CHECK_FALSE(dynflow->enabled.is_on());
  CHECK(dynflow->warnings == std::vector<std::string>{
                                 "Couldn't find settings file /nonexistent/dynflow.yml. Using default settings."});
  CHECK(load_module(logs_table(), "/nonexistent")->enabled == kBoth);
}

TEST_CASE("dynflow.yml of the trees") {
  const auto sidecar = dynflow_of("el-2.4-sidecar");
  CHECK(sidecar.enabled == kHttps);
  CHECK(sidecar.external_core == true);
  CHECK(sidecar.core_url == "https://proxy.example.com:8008");
  CHECK_FALSE(sidecar.database.has_value());
  CHECK(sidecar.module.values.is_present("database"));

  const auto katello = dynflow_of("el-2.4-sidecar-katello-customcerts");
  CHECK(katello.external_core == true);
  CHECK(katello.core_url == "https://capsule.example.com:8008");
  CHECK(katello.database == "/var/lib/foreman-proxy/dynflow/dynflow.sqlite");

  const auto deb = dynflow_of("deb-2.4-inprocess");
  CHECK_FALSE(deb.external_core.has_value());
  CHECK_FALSE(deb.module.values.is_present("external_core"));

  CHECK(dynflow_of("el-2.5-inprocess").external_core == false);
  CHECK(dynflow_of("el-2.5-forced-external").external_core == true);
  CHECK(dynflow_of("el-2.5-forced-external").database == "/var/lib/foreman-proxy/dynflow/dynflow.sqlite");
  CHECK(dynflow_of("el-3.0-merged").external_core == false);
  CHECK(dynflow_of("el-3.2-core-dropped").console_auth);
  CHECK(dynflow_of("current-30.1-pull-mqtt").execution_plan_cleaner_age == std::chrono::seconds(1800));

  const auto rpm = dynflow_of("packaged-defaults/rpm-2.5");
  CHECK(rpm.enabled == kBoth);
  CHECK_FALSE(rpm.external_core.has_value());
  CHECK(rpm.core_url == "http://127.0.0.1:8008");
  CHECK(dynflow_of("packaged-defaults/v0.9.4").enabled == kBoth);
}

TEST_CASE("the files of the other modules, in every tree") {
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kFixtures)) {
    if (entry.path().filename() != "settings.d" || !entry.is_directory() || entry.is_symlink()) continue;
    for (const Table* table : {&logs_table(), &ansible_table(), &remote_execution_ssh_table()}) {
      const auto module = load_module(*table, entry.path().string());
      INFO(entry.path() << " " << table->file);
      REQUIRE(module.ok());
      if (!module->is_file_there) continue;
      ++files;
      CHECK(module->enabled.https);
      for (const std::string& warning : module->warnings) {
        CHECK(warning.find(":ansible_dir: has no effect any more") != std::string::npos);
      }
      if (table == &remote_execution_ssh_table()) CHECK(remote_execution_settings(module->values).ok());
    }
  }
  CHECK(files >= 20);
}

TEST_CASE("remote_execution_ssh.yml") {
  const auto read = [](const std::string& tree) {
    const auto module = load_module(remote_execution_ssh_table(), settings_d(tree));
    REQUIRE(module.ok());
    auto settings = remote_execution_settings(module->values);
    REQUIRE(settings.ok());
    return std::move(settings).value();
  };
  const auto defaults = remote_execution_settings(load_module(remote_execution_ssh_table(), "/nonexistent")->values);
  REQUIRE(defaults.ok());
  CHECK(defaults->mode == RemoteExecutionMode::kSsh);
  CHECK(defaults->ssh_user == "root");
  CHECK(defaults->ssh_transport == "auto");
  CHECK(defaults->ssh_identity_key_file == expand_home("~/.ssh/id_rsa_foreman_proxy"));
  CHECK(defaults->local_working_dir == "/var/tmp");
  CHECK(defaults->runner_refresh_interval == std::chrono::seconds(1));
  CHECK(defaults->ssh_log_level == "error");
  CHECK(defaults->cleanup_working_dirs);
  CHECK(defaults->cockpit_integration);
  CHECK_FALSE(defaults->mqtt_rate_limit.has_value());
  CHECK(defaults->mqtt_resend_interval == std::chrono::seconds(900));
  CHECK(defaults->warnings.empty());

  const auto mqtt = read("current-30.1-pull-mqtt");
  CHECK(mqtt.mode == RemoteExecutionMode::kPullMqtt);
  CHECK(mqtt.mqtt_broker == "proxy.example.com");
  CHECK(mqtt.mqtt_port == 1883);
  CHECK(mqtt.mqtt_rate_limit == 50);
  CHECK_FALSE(mqtt.mqtt_tls.has_value());
  CHECK(mqtt.ssh_user_ca_public_key_file == "/etc/foreman-proxy/ssh_user_ca.pub");

  const auto async = read("el-3.2-core-dropped");
  CHECK(async.mode == RemoteExecutionMode::kSsh);
  CHECK(async.is_async_requested);
  CHECK(async.warnings.size() == 1);
  const auto older = read("el-2.4-sidecar-katello-customcerts");
  CHECK(older.is_async_requested);
  CHECK(older.kerberos_auth);
  CHECK(older.remote_working_dir == "/opt/rex");
  REQUIRE(older.warnings.size() == 1);
  CHECK(older.warnings[0].find("remote_execution_ssh.yml:") != std::string::npos);
  CHECK_FALSE(read("el-2.4-sidecar").is_async_requested);
}

TEST_CASE("pull-mqtt needs a broker") {
  const TemporaryFolder folder;
  folder.write("remote_execution_ssh.yml", ":mode: pull-mqtt\n:mqtt_broker: host\n");
  const auto module = load_module(remote_execution_ssh_table(), folder.path());
  REQUIRE(module.ok());
  CHECK(remote_execution_settings(module->values).error().code() == Code::kInvalid);
}

}  // namespace
}  // namespace dynflow::settings
