// The pages that are made from the tables. DYNFLOW_WRITE_DOCS=1 makes this test write them instead.

#include <array>
#include <catch2/catch.hpp>
#include <set>

#include "shared/settings/core_service.h"
#include "shared/settings/global.h"
#include "shared/settings/module.h"
#include "shared/settings/remote_execution_ssh.h"
#include "tests/support/made_page.h"

namespace dynflow::settings {
namespace {

const std::array<const Table*, 6> kTables = {&global_table(),  &dynflow_table(), &remote_execution_ssh_table(),
                                             &ansible_table(), &logs_table(),    &core_service_table()};

std::string reference_page() {
  std::string page =
      "# Settings\n\n"
      "Made from the tables in `shared/settings/`; do not edit by hand: run the test `settings_test` with\n"
      "`DYNFLOW_WRITE_DOCS=1` in its environment. The files in `examples/` are made the same way.\n\n"
      "Files are YAML as Ruby reads it: keys begin with a colon, `yes` and `on` are booleans, of duplicate keys the last\n"
      "one counts. Anchors, aliases and unquoted dates are refused, and so is a value of the wrong type, with file and\n"
      "line. A null or an empty text where a module has to have a value makes that module `failed`, and the others run.\n"
      "Unknown keys are warnings. A leading `~/` in a path is the home directory of the service's user.\n";
  for (const Table* table : kTables) page += "\n" + reference_markdown(*table);
  page +=
      "\n## Environment\n\n"
      "| variable | program | meaning |\n| --- | --- | --- |\n"
      "| `DYNFLOW_DB_CONN_STRING` | both | Comes before `:database:`. |\n"
      "| `DYNFLOW_PLUGIN_PATH` | both | Folders with more executors: [plugins.md](plugins.md). |\n"
      "| `FOREMAN_PROXY_TRACE` | `smart-proxy` | With any value headers and bodies of requests are logged at the level `DEBUG`, bodies of `application/json` and "
      "`text/plain` only, others as `[filtered out]`. Fields and keys that say they are secret (`Authorization`, `Cookie`, `password`, `token` and the like) are shown as "
      "`[hidden]`; scripts and their parameters are shown. |\n"
      "| `FOREMAN_LOG_MAX_BODY_SIZE` | `smart-proxy` | Bytes from which on a body is filtered out; default: 2000. |\n"
      "| `STATE_DIRECTORY` | `smart-proxy` | Default of `:state_directory:`; systemd sets it. |\n";
  return page;
}

std::string example_path(const Table& table) { return std::string(DYNFLOW_DOCS) + "/examples/" + std::string(table.file); }

TEST_CASE("docs/settings.md and the example files are what the tables say") {
  test::check_page(std::string(DYNFLOW_DOCS) + "/settings.md", reference_page());
  for (const Table* table : kTables) test::check_page(example_path(*table), example_file(*table));
}

TEST_CASE("example files are complete and load without a word") {
  for (const Table* table : kTables) {
    INFO(table->file);
    std::string text = example_file(*table);
    const auto commented = parse_yaml(text, "f");
    REQUIRE(commented.ok());
    CHECK(commented->root.is_null());

    // Every default as if it stood in the file.
    std::string uncommented;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("#:", 0) == 0 && line.back() != ':') uncommented += line.substr(1) + "\n";
    }
    const auto document = parse_yaml(uncommented, "f");
    REQUIRE(document.ok());
    const auto values = Values::read(*table, document->root, StringKeys::kIgnored);
    if (!values.ok()) FAIL_CHECK(values.error().message());
    if (values.ok()) CHECK(values->warnings().empty());
  }
}

TEST_CASE("tables are sound") {
  for (const Table* table : kTables) {
    std::set<std::string_view> keys;
    for (const Setting& setting : table->settings) {
      INFO(table->file << " " << setting.key);
      CHECK(keys.insert(setting.key).second);
      CHECK_FALSE(setting.doc.empty());
      CHECK(setting.doc.back() == '.');
      CHECK((setting.type == Type::kWord) == !setting.choices.empty());
    }
    for (const RetiredSetting& setting : table->retired) CHECK(keys.insert(setting.key).second);
  }
}

}  // namespace
}  // namespace dynflow::settings
