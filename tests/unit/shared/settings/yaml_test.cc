#include "shared/settings/yaml.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

#include "shared/json/json.h"
#include "tests/unit/shared/settings/support.h"

namespace dynflow::settings {
namespace {

Json described(const Node& node) {
  Json out = Json::object();
  switch (node.type) {
    case NodeType::kNull:
      out["type"] = "null";
      break;
    case NodeType::kBool:
      out["type"] = "bool";
      out["value"] = node.boolean;
      break;
    case NodeType::kInt:
      out["type"] = "int";
      out["value"] = node.integer;
      break;
    case NodeType::kFloat:
      out["type"] = "float";
      out["value"] = node.real;
      break;
    case NodeType::kString:
    case NodeType::kSymbol:
      out["type"] = std::string(to_string(node.type));
      out["value"] = node.text;
      break;
    case NodeType::kList: {
      out["type"] = "list";
      Json items = Json::array();
      for (const Node& item : node.items) items.push_back(described(item));
      out["value"] = std::move(items);
      break;
    }
    case NodeType::kMap: {
      out["type"] = "map";
      Json members = Json::array();
      for (const Member& member : node.members) {
        Json pair = Json::object();
        pair["key"] = described(member.key);
        pair["value"] = described(member.value);
        members.push_back(std::move(pair));
      }
      out["value"] = std::move(members);
      break;
    }
  }
  return out;
}

Json load_json(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  auto parsed = json::parse(text.str());
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

TEST_CASE("every file of the fixtures reads as Psych read it") {
  const Json expected = load_json(kFixtures + "/expected-psych.json");
  const Json* files = json::find(expected, "files");
  REQUIRE(files != nullptr);
  REQUIRE(files->size() > 60);
  for (const auto& [name, entry] : files->items()) {
    INFO(name);
    const auto document = load_yaml(kFixtures + "/" + name);
    if (json::get_bool(entry, "ok", false)) {
      if (!document.ok()) FAIL_CHECK(document.error().message());
      if (document.ok()) CHECK(json::dump(described(document->root)) == json::dump(*json::find(entry, "document")));
    } else {
      REQUIRE_FALSE(document.ok());
      CHECK(document.error().code() == Code::kInvalid);
      CHECK(document.error().message().rfind(kFixtures + "/" + name + ":", 0) == 0);
      CHECK(document.error().message().find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("plain scalars") {
  struct Row {
    std::string_view text;
    NodeType type;
    double number;
  };
  using T = NodeType;
  const Row row = GENERATE(
      Row{"yes", T::kBool, 1}, Row{"Off", T::kBool, 0}, Row{"TRUE", T::kBool, 1}, Row{"n", T::kString, 0},
      Row{"Y", T::kString, 0}, Row{"", T::kNull, 0}, Row{"~", T::kNull, 0}, Row{"NULL", T::kNull, 0},
      Row{"nullx", T::kString, 0}, Row{"0", T::kInt, 0}, Row{"-17", T::kInt, -17}, Row{"+3", T::kInt, 3},
      Row{"1_000", T::kInt, 1000}, Row{"1,000", T::kInt, 1000}, Row{"1,,0", T::kString, 0}, Row{"1_", T::kString, 0},
      Row{"0777", T::kInt, 511}, Row{"-0x1F", T::kInt, -31}, Row{"0b101", T::kInt, 5}, Row{"08", T::kString, 0},
      Row{"0o17", T::kString, 0}, Row{"0x", T::kString, 0}, Row{"12:30", T::kInt, 45000},
      Row{"1:30:20", T::kInt, 5420}, Row{"12:75", T::kString, 0}, Row{"1:2:3:4", T::kString, 0},
      Row{"1:30:20.5", T::kFloat, 5420.5}, Row{"1.1", T::kFloat, 1.1}, Row{".5", T::kFloat, 0.5},
      Row{"5.", T::kFloat, 5}, Row{"-1,234.5", T::kFloat, -1234.5}, Row{"1.5e+3", T::kFloat, 1500},
      Row{"1.5e3", T::kString, 0}, Row{"1e3", T::kString, 0}, Row{".", T::kString, 0}, Row{"1.2.3", T::kString, 0},
      Row{".inf", T::kFloat, INFINITY}, Row{"-.INF", T::kFloat, -INFINITY}, Row{":sym", T::kSymbol, 0},
      Row{":", T::kString, 0}, Row{"a:b", T::kString, 0}, Row{"10.0.0.1", T::kString, 0}, Row{"::", T::kSymbol, 0},
      Row{"-", T::kString, 0}, Row{"/var/tmp", T::kString, 0}, Row{"~/.ssh", T::kString, 0},
      Row{"9223372036854775807", T::kInt, 9223372036854775807.0});
  INFO(row.text);
  const auto node = resolve_plain_scalar(row.text);
  REQUIRE(node.ok());
  CHECK(to_string(node->type) == to_string(row.type));
  CHECK((row.type == T::kBool ? node->boolean : node->real) == row.number);
}

TEST_CASE("plain scalars that are refused") {
  const std::string_view text =
      GENERATE(as<std::string_view>{}, "2021-01-01", "2021-1-1", "2001-12-14t21:59:43.10-05:00",
               "2001-12-14 21:59:43", "9223372036854775808", "99999999999999999999");
  CHECK_FALSE(resolve_plain_scalar(text).ok());
}

TEST_CASE("what must not be in a settings file is refused with its line") {
  struct Row {
    std::string text;
    std::string_view message;
  };
  const Row row = GENERATE(
      Row{"---\n:a: 1\n:b: &x 2\n", "f:3: anchors and aliases are not allowed"},
      Row{":a: !ruby/object:Foo {}\n", "f:1: the tag !ruby/object:Foo is not allowed"},
      Row{":a: !ruby/regexp /x/\n", "f:1: the tag !ruby/regexp is not allowed"},
      Row{"a: 1\n<<: {b: 2}\n", "f:2: merge keys are not allowed"},
      Row{":a:\n  ? [x, y]\n  : z\n", "f:2: a key must be one word"},
      Row{"\xEF\xBB\xBF:a: 1\n", "f:1: starts with a byte order mark"}, Row{":a: \xFF\n", "f: is not valid UTF-8"},
      Row{":a: " + std::string(150, '[') + std::string(150, ']'), "f:1: nested too deeply"},
      Row{":d: 2021-01-01\n", "f:1: dates are not allowed here; put 2021-01-01 in quotes"});
  const auto document = parse_yaml(row.text, "f");
  REQUIRE_FALSE(document.ok());
  CHECK(document.error().message() == row.message);
}

TEST_CASE("hostile files end quickly") {
  CHECK(parse_yaml(std::string(kLargestFile + 1, ' '), "f").error().code() == Code::kTooLarge);
  CHECK_FALSE(parse_yaml(std::string(100'000, '['), "f").ok());
  CHECK_FALSE(parse_yaml("a: &a [*a]", "f").ok());
  std::string keys;
  for (std::size_t i = 0; i <= kMostKeys; ++i) keys += "k" + std::to_string(i) + ": 1\n";
  CHECK(parse_yaml(keys, "f").error().message() == "f:2001: too many keys");
  CHECK(load_yaml("/nonexistent/settings.yml").error().code() == Code::kNotFound);
  CHECK_FALSE(load_yaml("/proc/self").ok());
}

TEST_CASE("places and duplicates") {
  const auto document = parse_yaml("---\n:a: 1\nb:\n  - x\n  - y\n:a: 2\n", "dir/f.yml");
  REQUIRE(document.ok());
  REQUIRE(document->root.members.size() == 2);
  CHECK(document->root.members[0].value.integer == 2);
  CHECK(document->root.members[0].value.place() == "dir/f.yml:6");
  CHECK(document->root.members[0].value.column == 5);
  CHECK(document->root.members[1].value.items[1].place() == "dir/f.yml:5");
  CHECK(document->warnings ==
        std::vector<std::string>{"dir/f.yml:6: :a: stands here a second time and replaces line 2"});
  CHECK(Node{}.place() == "default");
}

TEST_CASE("a symbol key and a string key of one name are two keys") {
  const auto document = parse_yaml(":a: 1\na: 2\n", "f");
  REQUIRE(document.ok());
  CHECK(document->root.members.size() == 2);
  CHECK(document->warnings.empty());
}

}  // namespace
}  // namespace dynflow::settings
