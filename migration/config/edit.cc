#include "migration/config/edit.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "shared/settings/yaml.h"

namespace dynflow::migration {

namespace {

using settings::StringKeys;

// Lines with their ends, so that joining gives the text back.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto size = end == std::string_view::npos ? text.size() : end + 1;
    lines.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

std::string_view end_of(std::string_view line) {
  if (line.ends_with("\r\n")) return "\r\n";
  return line.ends_with("\n") ? "\n" : "";
}

// The parts of a line ":key: value  # comment", at column 0 as maps of settings stand.
struct Parts {
  std::string_view before;   // ":key:" and the blanks behind it
  std::string_view value;
  std::string_view comment;  // with the blanks before it
  std::string_view end;
};

// Where a plain or quoted value ends and its comment begins.
std::size_t end_of_value(std::string_view text) {
  char quote = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char letter = text[at];
    if (quote != 0) {
      if (letter == '\\' && quote == '"') ++at;
      else if (letter == quote) quote = 0;
    } else if ((letter == '"' || letter == '\'') && (at == 0 || text[at - 1] == ' ' || text[at - 1] == '[' || text[at - 1] == ',')) {
      quote = letter;
    } else if (letter == '#' && (at == 0 || text[at - 1] == ' ' || text[at - 1] == '\t')) {
      return at;
    }
  }
  return text.size();
}

std::optional<Parts> parts_of(std::string_view line, std::string_view key, StringKeys keys) {
  Parts parts;
  parts.end = end_of(line);
  std::string_view rest = line.substr(0, line.size() - parts.end.size());
  for (const std::string& form : {fmt::format(":{}:", key), fmt::format("\":{}\":", key), fmt::format("{}:", key), fmt::format("':{}':", key)}) {
    if (!rest.starts_with(form) || (keys == StringKeys::kIgnored && form.find(':') == form.size() - 1)) continue;
    std::size_t at = form.size();
    if (at < rest.size() && rest[at] != ' ' && rest[at] != '\t') return std::nullopt;
    while (at < rest.size() && (rest[at] == ' ' || rest[at] == '\t')) ++at;
    parts.before = rest.substr(0, at);
    rest.remove_prefix(at);
    const std::size_t hash = end_of_value(rest);
    std::size_t size = hash;
    while (size > 0 && (rest[size - 1] == ' ' || rest[size - 1] == '\t')) --size;
    parts.value = rest.substr(0, size);
    parts.comment = rest.substr(size);
    return parts;
  }
  return std::nullopt;
}

// Whether the line below belongs to the value above: it is indented, or an item of a list.
bool continues(const std::vector<std::string>& lines, std::size_t at) {
  for (++at; at < lines.size(); ++at) {
    const std::string& line = lines[at];
    const auto first = line.find_first_not_of(" \t\r\n");
    if (first == std::string::npos || line[first] == '#') continue;
    return first > 0 || line.starts_with("- ") || line.starts_with("-\n");
  }
  return false;
}

std::optional<std::size_t> find_key(const std::vector<std::string>& lines, std::string_view key, StringKeys keys) {
  std::optional<std::size_t> found;
  for (std::size_t at = 0; at < lines.size(); ++at) {
    if (parts_of(lines[at], key, keys)) found = at;
  }
  return found;
}

const settings::Node* member(const settings::Node& root, std::string_view key, StringKeys keys) {
  for (const settings::Member& each : root.members) {
    if (keys == StringKeys::kIgnored && each.key.type != settings::NodeType::kSymbol) continue;
    if (each.key.is_text() && each.key.text == key) return &each.value;
  }
  return nullptr;
}

bool same(const settings::Node& one, const settings::Node& other) {
  if (one.type != other.type || one.boolean != other.boolean || one.integer != other.integer || one.real != other.real) return false;
  if (one.is_text() && one.text != other.text) return false;
  if (one.items.size() != other.items.size() || one.members.size() != other.members.size()) return false;
  for (std::size_t at = 0; at < one.items.size(); ++at) {
    if (!same(one.items[at], other.items[at])) return false;
  }
  return true;
}

// The edited text must read as wanted; else nothing is written.
Result<std::string> proven(std::string text, std::string_view key, const settings::Node* wanted, StringKeys keys) {
  auto document = settings::parse_yaml(text, "the edited file");
  if (!document) return Error(Code::kUnprocessable, document.error().message());
  const settings::Node* found = member(document->root, key, keys);
  if ((found == nullptr) != (wanted == nullptr) || (wanted != nullptr && !same(*found, *wanted))) {
    return Error(Code::kUnprocessable, fmt::format(":{}: cannot be edited by line here; please do it by hand", key));
  }
  return text;
}

}  // namespace

std::optional<std::string> written_value(std::string_view text, std::string_view key, StringKeys keys) {
  const auto lines = lines_of(text);
  const auto at = find_key(lines, key, keys);
  if (!at) return std::nullopt;
  return std::string(parts_of(lines[*at], key, keys)->value);
}

Result<std::string> set_key(std::string_view text, std::string_view key, std::string_view value, StringKeys keys) {
  auto now = settings::parse_yaml(text, "the file");
  if (!now) return now.error();
  auto wanted = settings::parse_yaml(fmt::format(":k: {}", value), "the value");
  if (!wanted) return wanted.error();
  const settings::Node* target = member(wanted->root, "k", StringKeys::kAccepted);
  if (target == nullptr || value.find('\n') != std::string_view::npos) return Error(Code::kInvalid, "the value must be one line of YAML");
  const settings::Node* current = member(now->root, key, keys);
  if (current != nullptr && same(*current, *target)) return std::string(text);

  auto lines = lines_of(text);
  if (const auto at = find_key(lines, key, keys)) {
    if (continues(lines, *at)) return Error(Code::kUnprocessable, fmt::format(":{}: spans several lines; please edit it by hand", key));
    const Parts parts = *parts_of(lines[*at], key, keys);
    const std::string_view blank = parts.before.ends_with(' ') || parts.before.ends_with('\t') ? "" : " ";
    lines[*at] = fmt::format("{}{}{}{}{}", parts.before, blank, value, parts.comment, parts.end);
    return proven(joined(lines), key, target, keys);
  }
  std::string_view end = "\n";
  if (!lines.empty() && end_of(lines.front()) == "\r\n") end = "\r\n";
  std::size_t place = lines.size();
  for (std::size_t at = 0; at < lines.size(); ++at) {
    std::string_view line = lines[at];
    if (!line.starts_with('#')) continue;
    line.remove_prefix(1);
    while (line.starts_with(' ')) line.remove_prefix(1);
    if (parts_of(line, key, StringKeys::kAccepted)) place = at + 1;
  }
  if (place > 0 && end_of(lines[place - 1]).empty()) lines[place - 1] += end;
  lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(place), fmt::format(":{}: {}{}", key, value, end));
  return proven(joined(lines), key, target, keys);
}

Result<std::string> unset_key(std::string_view text, std::string_view key, StringKeys keys) {
  auto lines = lines_of(text);
  while (const auto at = find_key(lines, key, keys)) {
    if (continues(lines, *at)) return Error(Code::kUnprocessable, fmt::format(":{}: spans several lines; please edit it by hand", key));
    lines[*at] = fmt::format("#{}", lines[*at]);
  }
  return proven(joined(lines), key, nullptr, keys);
}

std::string unified_diff(std::string_view path, std::string_view before, std::string_view after) {
  if (before == after) return {};
  const auto old_lines = lines_of(before);
  const auto new_lines = lines_of(after);
  const std::size_t height = old_lines.size() + 1;
  const std::size_t width = new_lines.size() + 1;
  std::vector<std::size_t> common(height * width, 0);  // settings files are small
  for (std::size_t i = old_lines.size(); i-- > 0;) {
    for (std::size_t j = new_lines.size(); j-- > 0;) {
      common[i * width + j] = old_lines[i] == new_lines[j] ? common[(i + 1) * width + j + 1] + 1
                                                          : std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  struct Row {
    char mark;
    const std::string* line;
    std::size_t old_at;
    std::size_t new_at;
  };
  std::vector<Row> rows;
  for (std::size_t i = 0, j = 0; i < old_lines.size() || j < new_lines.size();) {
    if (i < old_lines.size() && j < new_lines.size() && old_lines[i] == new_lines[j]) {
      rows.push_back({' ', &old_lines[i], i, j});
      ++i, ++j;
    } else if (i < old_lines.size() && (j == new_lines.size() || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      rows.push_back({'-', &old_lines[i], i, j});
      ++i;
    } else {
      rows.push_back({'+', &new_lines[j], i, j});
      ++j;
    }
  }
  constexpr std::size_t kContext = 3;
  std::string out = fmt::format("--- {}\n+++ {}\n", path, path);
  for (std::size_t at = 0; at < rows.size();) {
    if (rows[at].mark == ' ') {
      ++at;
      continue;
    }
    const std::size_t begin = at > kContext ? at - kContext : 0;
    std::size_t end = at;
    for (std::size_t quiet = 0; end < rows.size() && quiet <= 2 * kContext; ++end) quiet = rows[end].mark == ' ' ? quiet + 1 : 0;
    while (end > at && rows[end - 1].mark == ' ') --end;
    end = std::min(rows.size(), end + kContext);
    std::size_t removed = 0;
    std::size_t added = 0;
    std::string body;
    for (std::size_t row = begin; row < end; ++row) {
      removed += rows[row].mark != '+';
      added += rows[row].mark != '-';
      body += rows[row].mark;
      body += *rows[row].line;
      if (end_of(*rows[row].line).empty()) body += "\n\\ No newline at end of file\n";
    }
    out += fmt::format("@@ -{},{} +{},{} @@\n{}", rows[begin].old_at + (removed > 0), removed, rows[begin].new_at + (added > 0), added, body);
    at = end;
  }
  return out;
}

}  // namespace dynflow::migration
