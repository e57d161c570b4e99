#include "shared/persistence/encoding.h"

#include <fmt/format.h>

#include <iterator>

#include "shared/json/json.h"

namespace dynflow::persistence {
namespace {

Error corrupt(std::string_view what) { return Error(Code::kCorrupt, fmt::format("the stored {} is damaged", what)); }

// The stored array or object; kCorrupt when it is anything else.
Result<Json> parse_stored(std::string_view text, Json::value_t type, std::string_view what) {
  Result<Json> value = json::parse(text);
  if (!value.ok() || value->type() != type) return corrupt(what);
  return value;
}

}  // namespace

std::string encode_history(const std::vector<HistoryEntry>& history) {
  std::string text;
  if (history.empty()) return text;
  for (const HistoryEntry& entry : history) {
    fmt::format_to(std::back_inserter(text), "{}{{\"time\":{},\"name\":", text.empty() ? '[' : ',', entry.time);
    json::dump_string_to(text, entry.name);
    text += ",\"world_id\":";
    json::dump_string_to(text, entry.world_id);
    text += '}';
  }
  text += ']';
  return text;
}

Result<std::vector<HistoryEntry>> decode_history(std::string_view text) {
  std::vector<HistoryEntry> history;
  if (text.empty()) return history;
  const Result<Json> list = parse_stored(text, Json::value_t::array, "history");
  if (!list.ok()) return list.error();
  for (const Json& item : *list) {
    const Json* time = json::find(item, "time");
    if (time == nullptr || !time->is_number_integer()) return corrupt("history");
    history.push_back({time->get<std::int64_t>(), json::get_string(item, "name"), json::get_string(item, "world_id")});
  }
  return history;
}

std::string encode_error(const std::optional<StepError>& error) {
  std::string text;
  if (!error) return text;
  text += "{\"exception_class\":";
  json::dump_string_to(text, error->exception_class);
  text += ",\"message\":";
  json::dump_string_to(text, error->message);
  text += ",\"backtrace\":[";
  for (const std::string& line : error->backtrace) {
    if (text.back() != '[') text += ',';
    json::dump_string_to(text, line);
  }
  text += "]}";
  return text;
}

Result<std::optional<StepError>> decode_error(std::string_view text) {
  if (text.empty()) return std::optional<StepError>();
  const Result<Json> value = parse_stored(text, Json::value_t::object, "step error");
  if (!value.ok()) return value.error();
  StepError error;
  error.exception_class = json::get_string(*value, "exception_class");
  error.message = json::get_string(*value, "message");
  if (const Json* lines = json::find(*value, "backtrace"); lines != nullptr && lines->is_array()) {
    for (const Json& line : *lines) {
      if (!line.is_string()) return corrupt("step error");
      error.backtrace.push_back(line.get<std::string>());
    }
  }
  return std::optional<StepError>(std::move(error));
}

std::string encode_children(const std::vector<int>& children) {
  if (children.empty()) return {};
  return fmt::format("[{}]", fmt::join(children, ","));
}

Result<std::vector<int>> decode_children(std::string_view text) {
  std::vector<int> children;
  if (text.empty()) return children;
  const Result<Json> list = parse_stored(text, Json::value_t::array, "list of children");
  if (!list.ok()) return list.error();
  for (const Json& item : *list) {
    if (!item.is_number_integer()) return corrupt("list of children");
    children.push_back(item.get<int>());
  }
  return children;
}

std::optional<Time> resting_since(const PlanProgress& progress) {
  if (progress.state != PlanState::kStopped && progress.state != PlanState::kPaused) return std::nullopt;
  if (progress.state == PlanState::kStopped && progress.ended_at) return progress.ended_at;
  // Pausing sets no end time, but leaves an entry in the history.
  if (!progress.history.empty()) return Time(std::chrono::seconds(progress.history.back().time));
  if (progress.ended_at) return progress.ended_at;
  return progress.started_at.value_or(Time{});
}

}  // namespace dynflow::persistence
