#include "migration/config/edit.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "shared/settings/yaml.h"
#include "tests/unit/migration/site/tree.h"

using namespace dynflow;
using namespace dynflow::migration;
using namespace dynflow::migration::testing;

TEST_CASE("one line is changed, the rest stays", "[migration][edit]") {
  struct Row {
    const char* before;
    const char* value;
    const char* after;
  };
  const std::vector<Row> rows = {
      {"---\n:a: 1\n:external_core: true  # why\n:b: 2\n", "false", "---\n:a: 1\n:external_core: false  # why\n:b: 2\n"},
      {"---\r\n:external_core:   true\r\n:b: 2\r\n", "false", "---\r\n:external_core:   false\r\n:b: 2\r\n"},
      {":external_core:\n:b: '#1'\n", "true", ":external_core: true\n:b: '#1'\n"},
      {":external_core: true", "false", ":external_core: false"},
      {":external_core: false\n:external_core: true\n", "false", ":external_core: false\n:external_core: false\n"},
      {"---\n#:external_core: true\n:b: 2\n", "false", "---\n#:external_core: true\n:external_core: false\n:b: 2\n"},
      {"---\r\n:b: 2", "false", "---\r\n:b: 2\r\n:external_core: false\r\n"},
      {"", "false", ":external_core: false\n"},
      {"---\n:external_core: no # off\n", "false", "---\n:external_core: no # off\n"},
      {":external_core: \"a # b\" # c\n", "false", ":external_core: false # c\n"},
  };
  for (const Row& row : rows) {
    INFO(row.before);
    CHECK(set_key(row.before, "external_core", row.value).value() == row.after);
  }
}

TEST_CASE("what cannot be edited by line is left alone", "[migration][edit]") {
  CHECK(set_key(":hosts:\n  - a\n  - b\n", "hosts", "[]").error().code() == Code::kUnprocessable);
  CHECK(set_key("{a: 1}\n", "external_core", "true").error().code() == Code::kUnprocessable);
  CHECK_FALSE(set_key(":a: [\n", "a", "1").ok());
  CHECK(set_key("\xef\xbb\xbf---\n:a: 1\n", "a", "2").error().message().find("byte order mark") != std::string::npos);
  CHECK_FALSE(set_key(":a: 1\n", "a", "1\n:b: 2").ok());
  CHECK_FALSE(set_key(":a: 1\n", "a", "[").ok());
}

TEST_CASE("a key that nobody looks at is not the one", "[migration][edit]") {
  constexpr auto kModule = settings::StringKeys::kIgnored;
  CHECK(set_key("---\nexternal_core: true\n:b: 2\n", "external_core", "false", kModule).value() == "---\nexternal_core: true\n:b: 2\n:external_core: false\n");
  CHECK(set_key("---\nexternal_core: false\n", "external_core", "false", kModule).value() == "---\nexternal_core: false\n:external_core: false\n");
  CHECK(unset_key("---\nexternal_core: true\n:external_core: true\n", "external_core", kModule).value() == "---\nexternal_core: true\n#:external_core: true\n");
  CHECK_FALSE(written_value("a: 1\n", "a", kModule).has_value());
  CHECK(set_key("http_port: 1\n", "http_port", "2").value() == "http_port: 2\n");
}

TEST_CASE("a key becomes a comment", "[migration][edit]") {
  CHECK(unset_key(":a: 1\n:b: 2\n:a: 3\n", "a").value() == "#:a: 1\n:b: 2\n#:a: 3\n");
  CHECK(unset_key(":b: 2\n", "a").value() == ":b: 2\n");
  CHECK(written_value("---\n:a: 'x' # y\n", "a") == "'x'");
  CHECK_FALSE(written_value("---\n#:a: 1\n", "a").has_value());
}

TEST_CASE("every settings file survives a change and its undoing", "[migration][edit]") {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(fixture(""))) {
    if (!entry.is_regular_file() || entry.path().extension() != ".yml") continue;
    const std::string text = content(entry.path());
    const auto document = settings::parse_yaml(text, "x");
    if (!document.ok() || (document->root.type != settings::NodeType::kMap && !document->root.is_null())) continue;
    INFO(entry.path());
    const auto changed = set_key(text, "some_new_key", "'value # 1'");
    if (!changed.ok()) {
      CHECK(changed.error().code() == Code::kUnprocessable);
      continue;
    }
    ++files;
    const auto back = unset_key(*changed, "some_new_key");
    REQUIRE(back.ok());
    // Only the one line that is a comment now was added.
    CHECK(back->size() <= text.size() + std::string_view("#:some_new_key: 'value # 1'\r\n\r\n").size());
    CHECK(unified_diff("x", text, *changed).find("+:some_new_key: 'value # 1'") != std::string::npos);
  }
  CHECK(files > 40);
}

TEST_CASE("diffs", "[migration][edit]") {
  CHECK(unified_diff("/x", "a\n", "a\n").empty());
  CHECK(unified_diff("/x", "a\nb\nc\n", "a\nB\nc\n") == "--- /x\n+++ /x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
  CHECK(unified_diff("/x", "", "a\n") == "--- /x\n+++ /x\n@@ -0,0 +1,1 @@\n+a\n");
}
