#include "shared/settings/core_service.h"

#include <catch2/catch.hpp>

#include "shared/settings/module.h"
#include "shared/settings/remote_execution_ssh.h"
#include "tests/unit/shared/settings/support.h"

namespace dynflow::settings {
namespace {

CoreServiceSettings load(const CoreServiceOptions& options) {
  auto settings = load_core_service(options);
  if (!settings.ok()) FAIL(settings.error().message());
  return std::move(settings).value();
}

CoreServiceSettings tree(const std::string& name) {
  return load({.config_dir = kFixtures + "/" + name + "/etc/smart_proxy_dynflow_core", .search_path = {}});
}

TEST_CASE("no folder at all: the defaults") {
  const auto settings = load({.search_path = {"/nonexistent"}});
  CHECK(settings.directories.empty());
  CHECK(settings.database == "/var/lib/foreman-proxy/dynflow/dynflow.sqlite");
  CHECK_FALSE(settings.values.is_present("database"));
  CHECK(settings.foreman_url == "https://127.0.0.1:3000");
  CHECK(settings.listen == "127.0.0.1");
  CHECK(settings.port == 8008);
  CHECK_FALSE(settings.use_https);
  CHECK(settings.console_auth);
  CHECK(settings.log_level == log::Level::kError);
  CHECK(settings.execution_plan_cleaner_age == std::chrono::seconds(86400));
  CHECK(settings.backup_folder.empty());
  CHECK_FALSE(settings.is_daemonized);
  CHECK(settings.pid_file == "/var/run/foreman-proxy/smart_proxy_dynflow_core.pid");
  CHECK(settings.log_options().system_pattern == "%.8X{request} [%.1l] %m");
  CHECK(settings.log_options().target == "/var/log/foreman-proxy/smart_proxy_dynflow_core.log");
  CHECK(settings.warnings.size() == 1);
}

TEST_CASE("the sidecar's tree, whose settings.d is a link to the proxy's") {
  const auto settings = tree("el-2.4-sidecar");
  CHECK(settings.listen == "*");
  CHECK(settings.port == 8008);
  CHECK(settings.use_https);
  CHECK(settings.database.empty());
  CHECK(settings.values.is_present("database"));
  CHECK(settings.log_level == log::Level::kError);
  CHECK(settings.execution_plan_cleaner_age == std::chrono::seconds(86400));
  CHECK(settings.foreman_ssl_cert == settings.ssl_certificate);
  CHECK(settings.bags.count("dynflow") == 1);
  CHECK(settings.warnings.empty());
  const auto bag = settings.bag(remote_execution_ssh_table());
  REQUIRE(bag.ok());
  CHECK(bag->get_string("ssh_identity_key_file") == "/var/lib/foreman-proxy/ssh/id_rsa_foreman_proxy");
}

TEST_CASE("the core files of the other trees") {
  const auto katello = tree("el-2.4-sidecar-katello-customcerts");
  CHECK(katello.database == "/var/lib/foreman-proxy/dynflow/dynflow.sqlite");
  CHECK(katello.ssl_certificate == "/etc/foreman-proxy/ssl_cert.pem");
  CHECK(katello.ssl_ca_file == "/etc/foreman-proxy/ssl_ca.pem");
  CHECK(katello.foreman_ssl_cert == "/etc/foreman-proxy/foreman_ssl_cert.pem");
  CHECK(katello.ssl_disabled_ciphers == std::vector<std::string>{"NULL-MD5", "NULL-SHA"});
  CHECK(katello.tls_disabled_versions == std::vector<std::string>{"1.1"});
  CHECK(tree("el-2.5-forced-external").database.empty());
  CHECK(tree("el-2.5-inprocess").bags.count("remote_execution_ssh") == 1);
  CHECK_FALSE(tree("packaged-defaults/rpm-2.5").console_auth);
  CHECK(tree("packaged-defaults/rpm-2.5").foreman_url == "http://localhost:3000");
}

TEST_CASE("later folders win key by key; --one-config reads the last one only") {
  const TemporaryFolder first;
  const TemporaryFolder second;
  first.write("settings.yml", "---\n:port: 1001\n:listen: 10.0.0.1\n");
  first.write("settings.d/remote_execution_ssh.yml", ":ssh_user: one\n:kerberos_auth: true\n");
  second.write("settings.yml", "port: 2002\n");
  second.write("settings.d/remote_execution_ssh.yml", ":ssh_user: two\n");
  CoreServiceOptions options{.config_dir = second.path(), .search_path = {first.path(), "/nonexistent"}};

  const auto both = load(options);
  CHECK(both.directories == std::vector<std::string>{first.path(), second.path()});
  CHECK(both.port == 2002);
  CHECK(both.listen == "10.0.0.1");
  CHECK(both.values.place("port") == second.path() + "/settings.yml:1");
  const auto bag = both.bag(remote_execution_ssh_table());
  CHECK(bag->get_string("ssh_user") == "two");
  CHECK(bag->get_bool("kerberos_auth"));

  options.is_one_config = true;
  const auto one = load(options);
  CHECK(one.directories == std::vector<std::string>{second.path()});
  CHECK(one.listen == "127.0.0.1");
  CHECK_FALSE(one.bag(remote_execution_ssh_table())->get_bool("kerberos_auth"));
}

TEST_CASE("bags: aliases, empty files, files that cannot be read") {
  const TemporaryFolder folder;
  folder.write("settings.yml", "");
  folder.write("settings.d/smart_proxy_remote_execution_ssh_core.yml", ":ssh_user: alias\n");
  folder.write("settings.d/ansible.yml", "");
  folder.write("settings.d/puppet.yml", ":a: &x 1\n");
  folder.write("settings.d/dynflow.yml", "- list\n");
  const auto settings = load({.config_dir = folder.path(), .search_path = {}});
  CHECK(settings.bag(remote_execution_ssh_table())->get_string("ssh_user") == "alias");
  CHECK(settings.bag(ansible_table()).ok());
  CHECK_FALSE(settings.bag(dynflow_table()).ok());
  REQUIRE(settings.warnings.size() == 1);
  CHECK(settings.warnings[0].rfind("skipped " + folder.path() + "/settings.d/puppet.yml:1:", 0) == 0);

  folder.write("settings.d/ansible.yml", ":a: &x 1\n");
  CHECK_FALSE(load({.config_dir = folder.path(), .search_path = {}}).bag(ansible_table()).ok());
}

TEST_CASE("a broken settings.yml of the core is refused") {
  const TemporaryFolder folder;
  folder.write("settings.yml", ":port: many\n");
  CHECK(load_core_service({.config_dir = folder.path(), .search_path = {}}).error().message() ==
        folder.path() + "/settings.yml:1: :port: expected port number, got string many");
}

TEST_CASE("the proxy is known by names and keys; what is no key is refused") {
  const auto read = [](const std::string& line) {
    const auto document = parse_yaml(line, "f");
    REQUIRE(document.ok());
    return Values::read(core_service_table(), document->root, StringKeys::kAccepted);
  };
  const std::string key = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  const auto good = read(":proxy_names: [a.example.com, b]\n:proxy_keys: " + key + "\n");
  REQUIRE(good.ok());
  CHECK(good->get_list("proxy_names") == std::vector<std::string>{"a.example.com", "b"});
  CHECK(good->get_list("proxy_keys") == std::vector<std::string>{key});
  for (const char* bad : {"[sha256//AAAA]", "sha1//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "['']", "[a, b]"}) {
    INFO(bad);
    const auto refused = read(std::string(":proxy_keys: ") + bad + "\n");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message().find("f:1: :proxy_keys: ") != std::string::npos);
  }
}

}  // namespace
}  // namespace dynflow::settings
