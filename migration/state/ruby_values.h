// What stands in a cell of a Ruby dynflow database, made into ours: JSON text or MessagePack, times, class names, flows.
//
// Threads: pure functions.
//
// Source: Dynflow 0.8.36 to 2.0.0, lib/dynflow/persistence_adapters/sequel.rb; smart_proxy_dynflow v0.9.4.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/json/json.h"

namespace dynflow::migration {

// How values were written: the schema up to 21 holds JSON text, later ones hold MessagePack.
enum class RubyEra { kJson, kMessagePack };
std::string_view to_string(RubyEra era);  // "JSON text", "MessagePack"
inline constexpr int kOldestRubySchema = 15;
inline constexpr int kFirstMessagePackSchema = 22;
inline constexpr int kNewestRubySchema = 25;

// A value of that era. A few cells are of the other one (a migration that was interrupted): those are tried too. Errors: kCorrupt.
Result<Json> decode_ruby(std::string_view cell, RubyEra era);

// "2026-11-22 06:52:28.146", "2026-11-22 06:52:28", "2026-11-22 06:52:28.146211", with " UTC" or "+0000" behind or not. Always UTC.
std::optional<Time> parse_ruby_time(std::string_view text);

// The name that a class has today: "ForemanRemoteExecutionCore::Actions::RunScript" is
// "Proxy::RemoteExecution::Ssh::Actions::RunScript" (smart_proxy_remote_execution_ssh 0.4.0). Other names stay.
std::string current_class_name(std::string_view name);

// The same within a document: the values of "class", "action_class" and "proxy_action_name", at any depth.
void rename_classes(Json& document);

}  // namespace dynflow::migration
