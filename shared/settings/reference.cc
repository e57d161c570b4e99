#include <fmt/format.h>

#include "shared/settings/schema.h"

namespace dynflow::settings {

namespace {

std::string_view type_name(const Setting& setting) {
  switch (setting.type) {
    case Type::kBool:
      return "boolean";
    case Type::kInt:
      return "integer";
    case Type::kString:
      return "string";
    case Type::kPath:
      return "path";
    case Type::kWord:
      return "word";
    case Type::kPort:
      return "port";
    case Type::kList:
      return "list";
    case Type::kVersions:
      return "list of versions";
    case Type::kNumbers:
      return "list of numbers";
    case Type::kScalar:
      return "string or integer";
    case Type::kEnabled:
      return "true, false, http, https";
  }
  return "";
}

std::string with_bars_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string list_of(std::span<const std::string_view> keys) {
  std::string out;
  for (const std::string_view key : keys) out += fmt::format("{}`:{}:`", out.empty() ? "" : ", ", key);
  return out;
}

std::string choices_note(const Setting& setting) {
  if (setting.choices.empty()) return {};
  std::string out = " One of ";
  for (const char c : setting.choices) out += c == '|' ? std::string(", ") : std::string(1, c);
  return out + ".";
}

}  // namespace

std::string reference_markdown(const Table& table) {
  std::string out = fmt::format("## {}\n\nIn `{}`. {}\n\n", table.file, table.where, table.doc);
  out += "| key | type | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const Setting& setting : table.settings) {
    const std::string fallback = setting.default_value.empty() ? "none" : fmt::format("`{}`", setting.default_value);
    out += fmt::format("| `:{}:` | {} | {} | {}{} |\n", setting.key, type_name(setting), with_bars_escaped(fallback),
                       with_bars_escaped(setting.doc), choices_note(setting));
  }
  if (!table.at_reload.empty()) {
    out += fmt::format("\nChanges that a reload (HUP) takes over, all others wait for the next start: {}.\n", list_of(table.at_reload));
  }
  if (!table.at_new_side.empty()) {
    out += fmt::format("\nA change of the mode while the proxy runs brings in the new side with the values of then of: {}.\n",
                       list_of(table.at_new_side));
  }
  if (table.is_read_by_core) out += "\nA core that begins in the proxy at a change of the mode goes by the values of then, but for `:enabled:`.\n";
  if (!table.retired.empty()) {
    out += "\nKeys of older versions, accepted with a warning:\n\n";
    for (const RetiredSetting& setting : table.retired) out += fmt::format("- `:{}:` {}\n", setting.key, setting.doc);
  }
  return out;
}

std::string example_file(const Table& table) {
  std::string out = fmt::format("---\n# {}\n", table.doc);
  for (const Setting& setting : table.settings) {
    const std::string_view space = setting.default_value.empty() ? "" : " ";
    out += fmt::format("\n# {}{}\n#:{}:{}{}\n", setting.doc, choices_note(setting), setting.key, space,
                       setting.default_value);
  }
  return out;
}

}  // namespace dynflow::settings
