#include "proxy/host/logs_document.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "shared/json/json.h"
#include "shared/log/setup.h"

namespace dynflow::proxy {
namespace {

// Ruby's Logger::ERROR, from where on records stay longer.
constexpr int kTailSeverity = 3;

Json row_of(const log::Buffer::Record& record) {
  Json row = Json::object();
  row["timestamp"] = to_unix_seconds(record.time);
  row["level"] = std::string(log::to_string(record.level));
  row["message"] = record.message;
  if (!record.backtrace.empty()) row["backtrace"] = record.backtrace;
  if (!record.request_id.empty()) row["request_id"] = record.request_id;
  return row;
}

}  // namespace

std::string logs_document(const log::Buffer& buffer, Time from) {
  const log::Buffer::Info state = buffer.info();
  Json failed = Json::object();
  for (const auto& [name, reason] : state.failed_modules) failed[name] = reason;

  Json info = Json::object();
  info["size"] = state.size;
  info["tail_size"] = state.tail_size;
  info["level"] = nullptr;  // upstream never sets it
  info["level_tail"] = kTailSeverity;
  info["failed_modules"] = std::move(failed);

  Json rows = Json::array();
  for (const auto& record : buffer.records(from)) rows.push_back(row_of(record));

  Json document = Json::object();
  document["info"] = std::move(info);
  document["logs"] = std::move(rows);
  return json::dump(document);
}

Time parse_from_timestamp(std::string_view text) {
  const std::string copy(text);
  const double seconds = std::strtod(copy.c_str(), nullptr);
  // Beyond what a clock shows nothing can have been logged; casting such a number would be undefined.
  constexpr double kLatest = 1e11;
  if (!std::isfinite(seconds) || seconds <= 0) return Time{};
  return from_unix_seconds(std::min(seconds, kLatest));
}

}  // namespace dynflow::proxy
