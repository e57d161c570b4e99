#include "migration/config/unit_drop_in.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "shared/base/file.h"

namespace dynflow::migration {

namespace {

// Directives that only give room: what they allow one unit does not harm the other. A prefix stands for its family.
constexpr std::array<std::string_view, 8> kCarried = {"Limit", "Memory", "TasksMax", "CPU", "IO", "Nice", "OOM", "Environment"};
// Whose database it is, is decided by the settings (C04, C05).
constexpr std::string_view kDatabaseVariable = "DYNFLOW_DB_CONN_STRING";

std::string name_of(std::string_view directive) { return std::string(directive.substr(0, directive.find('='))); }

struct Line {
  std::string place;
  std::string text;
};

std::vector<Line> lines_of(const Site& site, std::string_view unit) {
  std::vector<Line> lines;
  const auto found = site.drop_ins.find(unit);
  if (found == site.drop_ins.end()) return lines;
  for (const std::string& each : found->second) {
    const auto colon = each.find(": ");
    lines.push_back({each.substr(0, colon), each.substr(colon + 2)});
  }
  return lines;
}

bool sets(const std::vector<Line>& lines, std::string_view text) {
  // Environment= adds up, one line for each variable; of the others a unit has one value.
  const bool is_environment = text.starts_with("Environment=");
  return std::any_of(lines.begin(), lines.end(), [&](const Line& line) { return line.text == text || (!is_environment && name_of(line.text) == name_of(text)); });
}

bool is_carried(std::string_view directive) {
  if (directive.find(kDatabaseVariable) != std::string_view::npos) return false;
  if (directive.starts_with("EnvironmentFile")) return false;
  return std::any_of(kCarried.begin(), kCarried.end(), [&](std::string_view prefix) { return directive.starts_with(prefix); });
}

// As systemd reads it inside double quotes.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') out += '\\';
    if (letter == '%') out += '%';
    out += letter;
  }
  return out;
}

}  // namespace

std::vector<UnitDifference> unit_differences(const Site& site, std::string_view from, std::string_view to) {
  std::vector<UnitDifference> found;
  const std::vector<Line> there = lines_of(site, to);
  for (const Line& line : lines_of(site, from)) {
    if (!sets(there, line.text)) found.push_back({line.place, line.text, is_carried(line.text)});
  }
  const auto variables = site.environment.find(from);
  if (variables == site.environment.end()) return found;
  const auto others = site.environment.find(to);
  for (const auto& [name, value] : variables->second) {
    if (others != site.environment.end() && others->second.contains(name)) continue;
    const std::string directive = fmt::format("Environment=\"{}={}\"", name, escaped(value));
    if (!sets(there, directive)) found.push_back({site.environment_file.find(from)->second, directive, is_carried(directive)});
  }
  return found;
}

std::string drop_in_path(std::string_view unit) { return fmt::format("/etc/systemd/system/{}.service.d/60-dynflow-migrate.conf", unit); }

std::string drop_in_text(const Site& site, std::string_view from, std::string_view to) {
  std::string fresh;
  for (const UnitDifference& each : unit_differences(site, from, to)) {
    if (each.is_carried) fresh += each.directive + "\n";
  }
  if (fresh.empty()) return fresh;
  const auto before = read_file(site.layout.real(drop_in_path(to)));
  const std::string head = before.ok() && !before->empty() ? *before : fmt::format("# From the unit {}, whose jobs this one runs now; written by dynflow-migrate.\n[Service]\n", from);
  return head + fresh;
}

}  // namespace dynflow::migration
