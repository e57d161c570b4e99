#include "shared/settings/schema.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>

#include "shared/settings/core_service.h"
#include "shared/settings/global.h"
#include "shared/settings/module.h"

namespace dynflow::settings {
namespace {

constexpr std::array kSettings = {
    Setting{"flag", Type::kBool, "true", "A flag."},
    Setting{"count", Type::kInt, "7", "A count.", Null::kDefault, {}, check_positive},
    Setting{"name", Type::kString, "", "A name."},
    Setting{"must", Type::kString, "x", "Needed.", Null::kRefused},
    Setting{"path", Type::kPath, "", "A path."},
    Setting{"word", Type::kWord, "a", "A word.", Null::kUnsets, "a|b"},
    Setting{"port", Type::kPort, "80", "A port."},
    Setting{"list", Type::kList, "[]", "A list."},
    Setting{"versions", Type::kVersions, "[]", "Versions."},
    Setting{"numbers", Type::kNumbers, "[1, 2.5]", "Numbers."},
    Setting{"scalar", Type::kScalar, "weekly", "A scalar."},
    Setting{"url", Type::kString, "", "A URL.", Null::kUnsets, {}, check_http_url},
};
constexpr std::array kRetired = {RetiredSetting{"old", "it is gone."}};
constexpr Table kTable{"test.yml", "/etc/test", "For tests.", kSettings, kRetired};

Result<Values> read(const std::string& text, StringKeys string_keys = StringKeys::kIgnored) {
  const auto document = parse_yaml(text, "f.yml");
  REQUIRE(document.ok());
  return Values::read(kTable, document->root, string_keys);
}

TEST_CASE("defaults, values and where they stand") {
  const auto values = read("---\n:flag: false\n:name: :sym\n:count: '12'\n:list: one\n:versions: [1.10, '1.2', 9, 1.0]\n");
  REQUIRE(values.ok());
  CHECK_FALSE(values->get_bool("flag"));
  CHECK(values->get_string("name") == "sym");
  CHECK(values->get_int("count") == 12);
  CHECK(values->get_list("list") == std::vector<std::string>{"one"});
  CHECK(values->get_list("versions") == std::vector<std::string>{"1.1", "1.2", "9", "1.0"});
  CHECK(values->get_list("numbers") == std::vector<std::string>{"1", "2.5"});
  CHECK(values->get_string("must") == "x");
  CHECK(values->get_int("port") == 80);
  CHECK_FALSE(values->find_string("url").has_value());
  CHECK(values->is_present("flag"));
  CHECK(values->place("flag") == "f.yml:2");
  CHECK_FALSE(values->is_present("port"));
  CHECK(values->place("port") == "default");
  CHECK(values->warnings().empty());
}

TEST_CASE("an explicit null beats the default, or is refused, as the table says") {
  const auto values = read(":flag:\n:count: ~\n:list: null\n");
  REQUIRE(values.ok());
  CHECK_FALSE(values->find_bool("flag").has_value());
  CHECK(values->is_present("flag"));
  CHECK(values->get_int("count") == 7);
  CHECK_FALSE(values->find_list("list").has_value());
  CHECK(read(":must:\n").error().message() == "f.yml:1: :must: expected string, got null");
  CHECK(read(":must: ''\n").error().message() == "f.yml:1: :must: expected string, got an empty string");
}

TEST_CASE("what a module lacks is said about the module, and the default counts") {
  const auto read_noted = [](const char* text) {
    const auto document = parse_yaml(text, "f.yml");
    REQUIRE(document.ok());
    return Values::read(kTable, document->root, StringKeys::kIgnored, Missing::kNoted);
  };
  for (const char* text : {":must:\n", ":must: ''\n", ":must: ~\n:flag: false\n"}) {
    CAPTURE(text);
    const auto values = read_noted(text);
    REQUIRE(values.ok());
    CHECK(values->failure() == "Parameter 'must' is expected to have a non-empty value (f.yml:1)");
    CHECK(values->get_string("must") == "x");
  }
  CHECK_FALSE(read_noted(":must: y\n:name:\n:count:\n")->failure());
  CHECK_FALSE(read_noted(":must: y\n:name: ''\n")->failure());
  CHECK_FALSE(read_noted(":must:\n:flag: maybe\n").ok());
}

TEST_CASE("wrong types are refused with their place") {
  struct Row {
    std::string text;
    std::string_view message;
  };
  const Row row = GENERATE(
      Row{"---\n:flag: 'false'\n", "f.yml:2: :flag: expected boolean, got string false"},
      Row{":flag: 1\n", "f.yml:1: :flag: expected boolean, got integer 1"},
      Row{":count: many\n", "f.yml:1: :count: expected integer, got string many"},
      Row{":count: 1.5\n", "f.yml:1: :count: expected integer, got float 1.5"},
      Row{":count: 0\n", "f.yml:1: :count: must be greater than 0"},
      Row{":name: [a]\n", "f.yml:1: :name: expected string, got list"},
      Row{":name: {a: 1}\n", "f.yml:1: :name: expected string, got map"},
      Row{":word: c\n", "f.yml:1: :word: expected a|b, got string c"},
      Row{":port: 65536\n", "f.yml:1: :port: expected port number, got integer 65536"},
      Row{":port: 0\n", "f.yml:1: :port: expected port number, got integer 0"},
      Row{":list: [a, 1]\n", "f.yml:1: :list: expected list of strings, got list"},
      Row{":versions: 1.1\n", "f.yml:1: :versions: expected list of versions, got float 1.1"},
      Row{":numbers: [a]\n", "f.yml:1: :numbers: expected list of numbers, got list"},
      Row{":scalar: true\n", "f.yml:1: :scalar: expected string or integer, got boolean true"},
      Row{":url: example.com\n", "f.yml:1: :url: must be a URL that starts with http:// or https://"},
      Row{"- :flag\n", "f.yml:1: expected a map of settings, got list"},
      Row{"text\n", "f.yml:1: expected a map of settings, got string"});
  const auto values = read(row.text);
  REQUIRE_FALSE(values.ok());
  CHECK(values.error().code() == Code::kInvalid);
  CHECK(values.error().message() == row.message);
}

TEST_CASE("keys that mean nothing are warnings") {
  const auto values = read("---\n:flga: true\n:zzzzzz: 1\n:old: 1\nflag: false\nother: 1\n");
  REQUIRE(values.ok());
  CHECK(values->warnings() ==
        std::vector<std::string>{"f.yml:2: unknown key :flga:, did you mean :flag:?", "f.yml:3: unknown key :zzzzzz:",
                                 "f.yml:4: :old: has no effect any more: it is gone.",
                                 "f.yml:5: key flag is ignored because it lacks the leading colon, write :flag:",
                                 "f.yml:6: key other is ignored because it lacks the leading colon"});
  CHECK(values->get_bool("flag"));
}

TEST_CASE("string keys count where the table's file accepts them") {
  const auto values = read("flag: false\nport: '8080'\n", StringKeys::kAccepted);
  REQUIRE(values.ok());
  CHECK_FALSE(values->get_bool("flag"));
  CHECK(values->get_int("port") == 8080);
  CHECK(values->warnings().empty());
}

TEST_CASE("the nearest spelling") {
  const std::vector<std::string_view> words = {"external_core", "core_url", "database"};
  CHECK(nearest("externalcore", words) == "external_core");
  CHECK(nearest("core-url", words) == "core_url");
  CHECK(nearest("databse", words) == "database");
  CHECK(nearest("x", words).empty());
  CHECK(nearest("qwertzuiop", words).empty());
  CHECK(nearest("", words).empty());
  CHECK(nearest(std::string(10'000, 'a'), words).empty());
}

TEST_CASE("the home directory") {
  const char* home = std::getenv("HOME");
  const std::string folder = home == nullptr ? "" : home;
  if (!folder.empty()) CHECK(expand_home("~/.ssh/id") == folder + "/.ssh/id");
  CHECK(expand_home("/var/~/x") == "/var/~/x");
  CHECK(expand_home("~other/x") == "~other/x");
  CHECK(expand_home("").empty());
  CHECK(expand_home("~").find('~') == std::string::npos);
}

TEST_CASE("changed keys are those whose values differ, wherever they stand") {
  const auto read = [](std::string_view text) {
    const auto document = parse_yaml(text, "settings.yml");
    REQUIRE(document.ok());
    auto values = Values::read(global_table(), document->root, StringKeys::kAccepted);
    REQUIRE(values.ok());
    return *std::move(values);
  };
  const Values before = read(":http_port: 8000\n:trusted_hosts: [a, b]\n:log_level: INFO\n");
  CHECK(changed_keys(before, before).empty());
  CHECK(changed_keys(before, read("\n:log_level: INFO\n:trusted_hosts:\n- a\n- b\n:http_port: 8000\n:https_port: 8443\n")).empty());
  const auto changed = changed_keys(before, read(":http_port: 8001\n:trusted_hosts: [b, a]\n:log_level: INFO\n:forward_verify: false\n"));
  CHECK(changed == std::vector<std::string_view>{"trusted_hosts", "forward_verify", "http_port"});
  CHECK(is_taken_at_reload(global_table(), "trusted_hosts"));
  CHECK_FALSE(is_taken_at_reload(global_table(), "http_port"));
}

TEST_CASE("settings are shown with what they are, and without passwords") {
  const auto document = parse_yaml(":enabled: true\n:database: postgresql://me:s3cr@t@db.example.com/x\n:external_core:\n", "dynflow.yml");
  REQUIRE(document.ok());
  const auto values = Values::read(dynflow_table(), document->root, StringKeys::kIgnored);
  REQUIRE(values.ok());
  const std::string shown = shown_settings(*values);
  CHECK(shown.find("'enabled': true, 'database': postgresql://...@db.example.com/x, 'secrets_key_file': nil (default), "
                   "'console_auth': true (default)") == 0);
  CHECK(shown.find("'external_core': nil, ") != std::string::npos);
  CHECK(shown.find("s3cr") == std::string::npos);
}

TEST_CASE("what is taken at a reload is a setting of its table") {
  for (const Table* table : {&global_table(), &dynflow_table(), &core_service_table()}) {
    for (const std::string_view key : table->at_reload) {
      CHECK(std::any_of(table->settings.begin(), table->settings.end(), [&](const Setting& one) { return one.key == key; }));
    }
  }
}

}  // namespace
}  // namespace dynflow::settings
