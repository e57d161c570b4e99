#include "shared/settings/global.h"

#include <catch2/catch.hpp>

#include "tests/unit/shared/settings/support.h"

namespace dynflow::settings {
namespace {

GlobalSettings tree(const std::string& name) {
  auto settings = load_global(kFixtures + "/" + name + "/etc/foreman-proxy/settings.yml");
  if (!settings.ok()) FAIL(settings.error().message());
  return std::move(settings).value();
}

using Strings = std::vector<std::string>;

TEST_CASE("defaults of the global file") {
  const TemporaryFolder folder;
  const auto settings = load_global(folder.write("settings.yml", "---\n:http_port: 8000\n"));
  REQUIRE(settings.ok());
  CHECK(settings->settings_directory == folder.path() + "/settings.d");
  CHECK_FALSE(settings->has_https());
  CHECK(settings->http_port == 8000);
  CHECK(settings->https_port == 8443);
  CHECK(settings->bind_host == Strings{"*"});
  CHECK_FALSE(settings->trusted_hosts.has_value());
  CHECK(settings->forward_verify);
  CHECK_FALSE(settings->foreman_url.has_value());
  CHECK(settings->log_file == "/var/log/foreman-proxy/proxy.log");
  CHECK(settings->log_level == log::Level::kInfo);
  CHECK(settings->file_rolling_size_mib == 0);
  CHECK(settings->file_rolling_age == "weekly");
  CHECK(settings->file_rolling_keep == 6);
  CHECK(settings->file_logging_pattern == log::kFilePattern);
  CHECK(settings->system_logging_pattern == log::kSystemPattern);
  CHECK(settings->log_buffer == 2000);
  CHECK(settings->log_buffer_errors == 1000);
  CHECK(settings->dns_resolv_timeouts == std::vector<double>{5, 8, 13});
  CHECK(settings->ssl_disabled_ciphers.empty());
  CHECK(settings->tls_disabled_versions.empty());
  CHECK(settings->warnings.empty());
}

TEST_CASE("the sidecar's tree: retired keys are accepted with a warning") {
  const auto settings = tree("el-2.4-sidecar");
  CHECK(settings.has_https());
  CHECK(settings.https_port == 8443);
  CHECK_FALSE(settings.http_port.has_value());
  CHECK(settings.settings_directory == "/etc/foreman-proxy/settings.d");
  CHECK(settings.trusted_hosts == Strings{"foreman.example.com", "proxy.example.com"});
  CHECK(settings.foreman_url == "https://foreman.example.com/");
  CHECK(settings.foreman_ssl_ca == settings.ssl_ca_file);
  CHECK(settings.foreman_ssl_cert == settings.ssl_certificate);
  CHECK(settings.foreman_ssl_key == settings.ssl_private_key);
  REQUIRE(settings.warnings.size() == 1);
  CHECK(settings.warnings[0].find(":daemon: has no effect any more") != std::string::npos);
}

TEST_CASE("a Katello tree with certificates of its own") {
  const auto settings = tree("el-2.4-sidecar-katello-customcerts");
  CHECK(settings.http_port == 8000);
  CHECK(settings.https_port == 9090);
  CHECK(settings.bind_host == Strings{"0.0.0.0", "::"});
  CHECK(settings.tls_disabled_versions == Strings{"1.1", "1.2"});
  CHECK(settings.values.node("tls_disabled_versions").items[0].type == NodeType::kFloat);
  CHECK(settings.ssl_disabled_ciphers == Strings{"AES128-SHA", "AES256-SHA"});
  CHECK(settings.foreman_ssl_ca == "/etc/foreman-proxy/foreman_ssl_ca.pem");
  CHECK(settings.ssl_ca_file == "/etc/foreman-proxy/ssl_ca.pem");
  CHECK(settings.log_level == log::Level::kDebug);
}

TEST_CASE("what packages ship") {
  const auto rpm = tree("packaged-defaults/rpm-2.5");
  CHECK_FALSE(rpm.http_port.has_value());
  CHECK_FALSE(rpm.has_https());
  const auto deb = tree("packaged-defaults/deb-2.5");
  CHECK(deb.http_port == 8000);
  CHECK(deb.bind_host == Strings{"localhost"});
  REQUIRE(deb.trusted_hosts.has_value());
  CHECK(deb.trusted_hosts->empty());
}

TEST_CASE("the other trees") {
  for (const char* name : {"deb-2.4-inprocess", "el-2.5-inprocess", "el-2.5-forced-external", "el-3.0-merged",
                           "el-3.2-core-dropped"}) {
    INFO(name);
    const auto settings = tree(name);
    CHECK(settings.https_port == 8443);
    CHECK(settings.has_https());
  }
  const auto current = tree("current-30.1-pull-mqtt");
  CHECK(current.http_port == 8000);
  CHECK(current.https_port == 9090);
  CHECK(current.warnings.empty());
}

TEST_CASE("edge cases of the global file") {
  const auto normalised = load_global(kFixtures + "/edge/global-normalisation.yml");
  REQUIRE(normalised.ok());
  CHECK(normalised->bind_host == Strings{"127.0.0.1"});
  CHECK(normalised->foreman_url == "https://foreman.example.com/foreman/");
  CHECK(normalised->tls_disabled_versions == Strings{"1.2", "1.1", "1.0", "9"});

  const auto strings = load_global(kFixtures + "/edge/string-keys-global.yml");
  REQUIRE(strings.ok());
  CHECK(strings->https_port == 9443);
  CHECK(strings->bind_host == Strings{"127.0.0.1"});
  CHECK(strings->foreman_url == "https://foreman.example.com/");

  const auto upper = load_global(kFixtures + "/edge/uppercase-trusted-host.yml");
  REQUIRE(upper.ok());
  CHECK(upper->trusted_hosts == Strings{"Foreman.Example.COM"});
}

TEST_CASE("global files that cannot be used") {
  const std::string name = GENERATE("empty", "only-marker", "only-comments", "list-not-map", "alias", "utf8-bom",
                                    "tab-indent", "unquoted-star", "date-value", "missing");
  INFO(name);
  CHECK_FALSE(load_global(kFixtures + "/edge/" + name + ".yml").ok());
}

TEST_CASE("values that mean nothing are refused") {
  const TemporaryFolder folder;
  const std::string line =
      GENERATE(":log_level: LOUD", ":log_buffer: 1", ":log_buffer_errors: 0", ":file_rolling_age: yearly", ":http_port: x",
               ":https_port:", ":file_rolling_size: -1", ":foreman_url: foreman", ":bind_host:", ":forward_verify:");
  INFO(line);
  const auto settings = load_global(folder.write("settings.yml", line + "\n"));
  REQUIRE_FALSE(settings.ok());
  CHECK(settings.error().message().rfind(folder.path() + "/settings.yml:1: ", 0) == 0);
}

TEST_CASE("options for the log") {
  const TemporaryFolder folder;
  const auto settings = load_global(folder.write(
      "settings.yml", ":log_file: STDOUT\n:log_level: :ERROR\n:file_rolling_size: 5\n:file_rolling_age: 3600\n"));
  REQUIRE(settings.ok());
  const auto buffer = log::Buffer::create().value();
  const log::Options options = settings->log_options(buffer);
  CHECK(options.target == "STDOUT");
  CHECK(options.level == log::Level::kError);
  CHECK(options.rolling_size == 5 * 1024 * 1024);
  CHECK(options.rolling_age == "3600");
  CHECK(options.buffer == buffer);
}

}  // namespace
}  // namespace dynflow::settings
