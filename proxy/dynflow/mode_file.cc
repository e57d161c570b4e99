#include "proxy/dynflow/mode_file.h"

#include <fmt/format.h>

#include "shared/base/file.h"
#include "shared/json/json.h"

namespace dynflow::proxy {
namespace {

constexpr int kFormat = 1;

// Whoever changes the mode can do nothing about a disk: later is the answer to everything.
Error later(const Error& error) { return Error(Code::kUnavailable, error.message()); }

}  // namespace

Result<std::optional<SavedMode>> ModeFile::load() const {
  if (path_.empty()) return std::optional<SavedMode>();
  const auto text = read_file(path_);
  if (!text && text.error().code() == Code::kNotFound) return std::optional<SavedMode>();
  if (!text) return later(text.error());
  const auto document = json::parse(*text);
  if (!document) return Error(Code::kCorrupt, fmt::format("{}: {}", path_.string(), document.error().message()));
  const auto state = parse_mode_state(json::get_string(*document, "state"));
  const auto since = parse_dynflow_time(json::get_string(*document, "since"));
  if (!state || !since || json::get_int(*document, "format", 0) != kFormat) {
    return Error(Code::kCorrupt, fmt::format("{}: it does not tell a mode that this version knows", path_.string()));
  }
  SavedMode mode{*state, *since, json::get_string(*document, "external_core"), json::get_string(*document, "reason"),
                 json::get_bool(*document, "follows_hand_over", false), std::nullopt};
  if (const Json* drain = json::find(*document, "drain"); drain != nullptr && !drain->is_null()) {
    // A date that cannot be read is no reason to take launches again.
    mode.drain = Drain{parse_dynflow_time(json::get_string(*drain, "since")).value_or(*since), json::get_string(*drain, "reason")};
  }
  return std::optional(std::move(mode));
}

Status ModeFile::save(const SavedMode& mode) const {
  if (path_.empty()) return {};
  Json document{{"format", kFormat},
                {"state", std::string(to_string(mode.state))},
                {"since", dynflow_time(mode.since)},
                {"external_core", mode.setting},
                {"reason", mode.reason},
                {"follows_hand_over", mode.follows_hand_over}};
  if (mode.drain) document["drain"] = Json{{"since", dynflow_time(mode.drain->since)}, {"reason", mode.drain->reason}};
  const Status written = replace_file(path_, json::dump(document) + "\n");
  return written ? Status() : Status(later(written.error()));
}

}  // namespace dynflow::proxy
