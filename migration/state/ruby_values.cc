#include "migration/state/ruby_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "shared/json/msgpack.h"

namespace dynflow::migration {

namespace {

// Whole names first; then what stands before "::".
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kClasses = {{
    {"ForemanRemoteExecutionCore::Actions::RunScript", "Proxy::RemoteExecution::Ssh::Actions::RunScript"},
    {"ForemanRemoteExecutionCore::Actions::ScriptRunner", "Proxy::RemoteExecution::Ssh::Actions::ScriptRunner"},
    {"ForemanTasksCore::Runner::Action", "Proxy::Dynflow::Action::Runner"},
    {"ForemanTasksCore::ShareableAction", "Proxy::Dynflow::Action::Shareable"},
    {"ForemanTasksCore::BatchCallback", "Proxy::Dynflow::Action::BatchCallback"},
    {"ForemanTasksCore::BatchAction", "Proxy::Dynflow::Action::Batch"},
}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kNamespaces = {{
    {"SmartProxyDynflowCore::", "Proxy::Dynflow::"},
    {"ForemanTasksCore::", "Proxy::Dynflow::"},
}};

}  // namespace

std::string_view to_string(RubyEra era) { return era == RubyEra::kJson ? "JSON text" : "MessagePack"; }

Result<Json> decode_ruby(std::string_view cell, RubyEra era) {
  const bool is_json_first = era == RubyEra::kJson;
  auto value = is_json_first ? json::parse(cell) : json::parse_msgpack(cell);
  if (value) return value;
  auto other = is_json_first ? json::parse_msgpack(cell) : json::parse(cell);
  // A damaged text often begins with a byte that is a whole number in MessagePack; only containers are beyond doubt.
  if (other && other->is_structured()) return other;
  return Error(Code::kCorrupt, value.error().message());
}

std::optional<Time> parse_ruby_time(std::string_view text) {
  for (const std::string_view zone : {" UTC", " +0000", "+0000", "Z"}) {
    if (text.ends_with(zone)) text.remove_suffix(zone.size());
  }
  const auto whole = parse_dynflow_time(text.substr(0, std::string_view("2026-11-22 06:52:28").size()));
  if (!whole) return std::nullopt;
  std::string_view fraction = text;
  fraction.remove_prefix(std::min(text.size(), std::string_view("2026-11-22 06:52:28").size()));
  if (fraction.empty()) return whole;
  if (fraction.front() != '.' || fraction.size() < 2) return std::nullopt;
  std::string digits(fraction.substr(1, 6));
  digits.resize(6, '0');
  int micros = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), micros);
  if (problem != std::errc() || end != digits.data() + digits.size() || micros < 0) return std::nullopt;
  return *whole + std::chrono::microseconds(micros);
}

std::string current_class_name(std::string_view name) {
  for (const auto& [old_name, current] : kClasses) {
    if (name == old_name) return std::string(current);
  }
  for (const auto& [old_name, current] : kNamespaces) {
    if (name.starts_with(old_name)) return std::string(current).append(name.substr(old_name.size()));
  }
  return std::string(name);
}

void rename_classes(Json& document) {
  if (document.is_object()) {
    for (auto& [key, value] : document.items()) {
      if (value.is_string() && (key == "class" || key == "action_class" || key == "proxy_action_name")) {
        value = current_class_name(value.get_ref<const std::string&>());
      } else {
        rename_classes(value);
      }
    }
  } else if (document.is_array()) {
    for (Json& value : document) rename_classes(value);
  }
}

}  // namespace dynflow::migration
