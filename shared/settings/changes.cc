#include <fmt/format.h>

#include <algorithm>

#include "shared/base/url_text.h"
#include "shared/settings/schema.h"

namespace dynflow::settings {

namespace {

bool is_same(const Node& a, const Node& b) {
  if (a.type != b.type || a.items.size() != b.items.size() || a.members.size() != b.members.size()) return false;
  switch (a.type) {
    case NodeType::kNull:
      return true;
    case NodeType::kBool:
      return a.boolean == b.boolean;
    case NodeType::kInt:
      return a.integer == b.integer;
    case NodeType::kFloat:
      return a.real == b.real;
    case NodeType::kString:
    case NodeType::kSymbol:
      return a.text == b.text;
    case NodeType::kList:
      return std::equal(a.items.begin(), a.items.end(), b.items.begin(), is_same);
    case NodeType::kMap:
      return std::equal(a.members.begin(), a.members.end(), b.members.begin(), [](const Member& one, const Member& other) {
        return is_same(one.key, other.key) && is_same(one.value, other.value);
      });
  }
  return false;
}

std::string shown(const Node& node) {
  if (node.type == NodeType::kNull) return "nil";
  if (node.type != NodeType::kList) return without_credentials(scalar_text(node));
  std::string out;
  for (const Node& item : node.items) out += (out.empty() ? "" : ", ") + shown(item);
  return "[" + out + "]";
}

}  // namespace

std::string shown_settings(const Values& values) {
  std::string out;
  for (const Setting& setting : values.table().settings) {
    out += fmt::format("{}'{}': {}{}", out.empty() ? "" : ", ", setting.key, shown(values.node(setting.key)),
                       values.is_present(setting.key) ? "" : " (default)");
  }
  return out;
}

bool is_taken_at_reload(const Table& table, std::string_view key) {
  return std::find(table.at_reload.begin(), table.at_reload.end(), key) != table.at_reload.end();
}

bool is_taken_by_new_side(const Table& table, std::string_view key) {
  if (table.is_read_by_core) return key != "enabled";
  return std::find(table.at_new_side.begin(), table.at_new_side.end(), key) != table.at_new_side.end();
}

std::vector<std::string_view> changed_keys(const Values& before, const Values& now) {
  std::vector<std::string_view> keys;
  for (const Setting& setting : now.table().settings) {
    if (!is_same(before.node(setting.key), now.node(setting.key))) keys.push_back(setting.key);
  }
  return keys;
}

}  // namespace dynflow::settings
