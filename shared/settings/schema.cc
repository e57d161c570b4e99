#include "shared/settings/schema.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "shared/log/setup.h"

namespace dynflow::settings {

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// A string of digits is an integer for our purposes; Ruby's code calls to_i.
std::optional<std::int64_t> integer_of(const Node& node) {
  if (node.type == NodeType::kInt) return node.integer;
  if (!node.is_text()) return std::nullopt;
  const auto parsed = resolve_plain_scalar(node.text);
  if (!parsed.ok() || parsed->type != NodeType::kInt) return std::nullopt;
  return parsed->integer;
}

bool is_number(const Node& node) { return node.type == NodeType::kInt || node.type == NodeType::kFloat; }
bool is_text_or_number(const Node& node) { return node.is_text() || is_number(node); }

std::string_view expected(const Setting& setting) {
  switch (setting.type) {
    case Type::kBool:
      return "boolean";
    case Type::kInt:
      return "integer";
    case Type::kString:
    case Type::kPath:
      return "string";
    case Type::kWord:
      return setting.choices;
    case Type::kPort:
      return "port number";
    case Type::kList:
      return "list of strings";
    case Type::kVersions:
      return "list of versions";
    case Type::kNumbers:
      return "list of numbers";
    case Type::kScalar:
      return "string or integer";
    case Type::kEnabled:
      return "true, false, http or https";
  }
  return "";
}

bool fits(const Setting& setting, const Node& node) {
  switch (setting.type) {
    case Type::kBool:
      return node.type == NodeType::kBool;
    case Type::kInt:
      return integer_of(node).has_value();
    case Type::kString:
    case Type::kPath:
      return node.is_text();
    case Type::kWord: {
      const auto words = split(setting.choices, '|');
      return node.is_text() && std::find(words.begin(), words.end(), node.text) != words.end();
    }
    case Type::kPort: {
      const auto port = integer_of(node);
      return port && *port >= 1 && *port <= 65535;
    }
    case Type::kList:
      return node.is_text() || (node.type == NodeType::kList &&
                                std::all_of(node.items.begin(), node.items.end(), [](const Node& n) { return n.is_text(); }));
    case Type::kVersions:
      return node.type == NodeType::kList && std::all_of(node.items.begin(), node.items.end(), is_text_or_number);
    case Type::kNumbers:
      return node.type == NodeType::kList && std::all_of(node.items.begin(), node.items.end(), is_number);
    case Type::kScalar:
      return node.is_text() || node.type == NodeType::kInt;
    case Type::kEnabled:
      return true;
  }
  return false;
}

// "string "no"", "integer", ...: what stands there, with the value when it is short.
std::string got(const Node& node) {
  const std::string type(to_string(node.type));
  const bool is_container = node.type == NodeType::kList || node.type == NodeType::kMap;
  if (node.is_null() || is_container || node.text.empty() || node.text.size() > 40) return type;
  return fmt::format("{} {}", type, node.text);
}

Node default_node(const Setting& setting) {
  if (setting.default_value.empty()) return {};
  // The tables are constants of ours, and a test reads every one of them.
  Node node = parse_yaml(setting.default_value, "default").value().root;
  node.file = nullptr;
  return node;
}

const Setting* find_setting(const Table& table, std::string_view key) {
  for (const Setting& setting : table.settings) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

const RetiredSetting* find_retired(const Table& table, std::string_view key) {
  for (const RetiredSetting& setting : table.retired) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

std::string unknown_key_warning(const Table& table, const Node& key) {
  std::vector<std::string_view> known;
  for (const Setting& setting : table.settings) known.push_back(setting.key);
  const std::string text = scalar_text(key);
  const std::string near = nearest(text, known);
  std::string warning = fmt::format("{}: unknown key :{}:", key.place(), text);
  if (!near.empty()) warning += fmt::format(", did you mean :{}:?", near);
  return warning;
}

}  // namespace

Result<Values> Values::read(const Table& table, const Node& root, StringKeys string_keys, Missing missing) {
  if (root.type != NodeType::kMap && !root.is_null()) {
    return Error(Code::kInvalid,
                 fmt::format("{}: expected a map of settings, got {}", root.place(), to_string(root.type)));
  }
  Values values(table);
  values.entries_.reserve(table.settings.size());
  for (const Setting& setting : table.settings) values.entries_.push_back({&setting, default_node(setting)});

  for (const Member& member : root.members) {
    const std::string key = scalar_text(member.key);
    if (member.key.type != NodeType::kSymbol && string_keys == StringKeys::kIgnored) {
      const bool is_known = find_setting(table, key) != nullptr;
      values.warnings_.push_back(fmt::format("{}: key {} is ignored because it lacks the leading colon{}",
                                             member.key.place(), key,
                                             is_known ? fmt::format(", write :{}:", key) : std::string()));
      continue;
    }
    const Setting* const setting = find_setting(table, key);
    if (setting == nullptr) {
      const RetiredSetting* const retired = find_retired(table, key);
      values.warnings_.push_back(
          retired == nullptr ? unknown_key_warning(table, member.key)
                             : fmt::format("{}: :{}: has no effect any more: {}", member.key.place(), key, retired->doc));
      continue;
    }
    const auto refused = [&](std::string_view got_text) {
      return Error(Code::kInvalid, fmt::format("{}: :{}: expected {}, got {}", member.key.place(), key,
                                               expected(*setting), got_text));
    };
    const Node& value = member.value;
    Entry& entry = values.entries_[static_cast<std::size_t>(setting - table.settings.data())];
    entry.is_present = true;
    entry.place = member.key.place();
    entry.is_missing = false;
    if (value.is_null() && setting->type != Type::kEnabled) {
      if (setting->null == Null::kRefused && missing == Missing::kRefused) return refused("null");
      entry.value = setting->null == Null::kUnsets ? value : default_node(*setting);
      entry.is_missing = setting->null == Null::kRefused;
      continue;
    }
    if (!fits(*setting, value)) return refused(got(value));
    if (setting->null == Null::kRefused && value.is_text() && value.text.empty()) {
      if (missing == Missing::kRefused) return refused("an empty string");
      entry.value = default_node(*setting);
      entry.is_missing = true;
      continue;
    }
    if (setting->check != nullptr) {
      if (const auto complaint = setting->check(value)) {
        return Error(Code::kInvalid, fmt::format("{}: :{}: {}", member.key.place(), key, *complaint));
      }
    }
    entry.value = value;
  }
  // smart-proxy 3.11, lib/proxy/plugin_validators.rb: in the order of the defaults, the first one counts.
  const auto missed = std::find_if(values.entries_.begin(), values.entries_.end(), [](const Entry& entry) { return entry.is_missing; });
  if (missed != values.entries_.end()) {
    values.failure_ = fmt::format("Parameter '{}' is expected to have a non-empty value ({})", missed->setting->key, missed->place);
  }
  return values;
}

const Values::Entry& Values::entry(std::string_view key) const {
  for (const Entry& entry : entries_) {
    if (entry.setting->key == key) return entry;
  }
  std::fprintf(stderr, "no setting %.*s in the table of %s\n", static_cast<int>(key.size()), key.data(),
               std::string(table_->file).c_str());
  std::abort();
}

const Node& Values::node(std::string_view key) const { return entry(key).value; }
bool Values::is_present(std::string_view key) const { return entry(key).is_present; }
std::string Values::place(std::string_view key) const { return entry(key).place; }

std::optional<bool> Values::find_bool(std::string_view key) const {
  const Node& value = node(key);
  return value.type == NodeType::kBool ? std::optional(value.boolean) : std::nullopt;
}

std::optional<std::int64_t> Values::find_int(std::string_view key) const { return integer_of(node(key)); }

std::optional<std::string> Values::find_string(std::string_view key) const {
  const Entry& found = entry(key);
  if (found.value.is_null()) return std::nullopt;
  if (found.setting->type == Type::kPath) return expand_home(found.value.text);
  return scalar_text(found.value);
}

std::optional<std::vector<std::string>> Values::find_list(std::string_view key) const {
  const Node& value = node(key);
  if (value.is_null()) return std::nullopt;
  std::vector<std::string> out;
  if (value.type != NodeType::kList) return std::vector{scalar_text(value)};
  for (const Node& item : value.items) out.push_back(scalar_text(item));
  return out;
}

bool Values::get_bool(std::string_view key) const { return find_bool(key).value_or(false); }
std::int64_t Values::get_int(std::string_view key) const { return find_int(key).value_or(0); }
std::string Values::get_string(std::string_view key) const { return find_string(key).value_or(std::string()); }
std::vector<std::string> Values::get_list(std::string_view key) const {
  return find_list(key).value_or(std::vector<std::string>());
}

std::optional<std::string> check_positive(const Node& value) {
  if (integer_of(value).value_or(0) > 0) return std::nullopt;
  return "must be greater than 0";
}

std::optional<std::string> check_not_negative(const Node& value) {
  if (integer_of(value).value_or(0) >= 0) return std::nullopt;
  return "must not be negative";
}

std::optional<std::string> check_http_url(const Node& value) {
  const std::string_view text = value.text;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.substr(0, scheme.size()) == scheme && text.size() > scheme.size() &&
        text.find_first_of(" \t\r\n") == std::string_view::npos) {
      return std::nullopt;
    }
  }
  return "must be a URL that starts with http:// or https://";
}

std::optional<std::string> check_log_level(const Node& value) {
  const auto level = log::parse_level(value.text);
  return level.ok() ? std::nullopt : std::optional(level.error().message());
}

std::string scalar_text(const Node& node) {
  switch (node.type) {
    case NodeType::kBool:
      return node.boolean ? "true" : "false";
    case NodeType::kInt:
      return std::to_string(node.integer);
    case NodeType::kFloat:
      return node.real == std::floor(node.real) && std::abs(node.real) < 1e15 ? fmt::format("{:.1f}", node.real)
                                                                               : fmt::format("{}", node.real);
    case NodeType::kString:
    case NodeType::kSymbol:
      return node.text;
    case NodeType::kNull:
    case NodeType::kList:
    case NodeType::kMap:
      break;
  }
  return {};
}

std::string nearest(std::string_view word, const std::vector<std::string_view>& words) {
  constexpr std::size_t kLongestWord = 64;
  if (word.size() > kLongestWord) return {};
  // Two swapped letters or every fourth one may be wrong; beyond that a suggestion is a guess.
  std::size_t best = word.size() / 4 + 2;
  std::string_view found;
  for (const std::string_view candidate : words) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t changed = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() < best) {
      best = row.back();
      found = candidate;
    }
  }
  return std::string(found);
}

std::string expand_home(std::string_view path) {
  if (path != "~" && path.substr(0, 2) != "~/") return std::string(path);
  const char* home = std::getenv("HOME");
  std::string folder = home == nullptr ? "" : home;
  if (folder.empty()) {
    passwd entry{};
    passwd* found = nullptr;
    std::string buffer(16384, '\0');
    if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
      folder = entry.pw_dir;
    }
  }
  return folder + std::string(path.substr(1));
}

}  // namespace dynflow::settings
