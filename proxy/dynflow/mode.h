// Where jobs run: in this process, or in a core service that we relay to.
//
// Threads: a pure function.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace dynflow::proxy {

// `external_core` of dynflow.yml.
enum class ExternalCore { kUnset, kFalse, kTrue };
// "unset", "false", "true".
std::string_view to_string(ExternalCore setting);

enum class Mode {
  kInProcess,  // the core library, loaded into this process
  kRelay,      // everything below /dynflow goes to `core_url`
  kFailed,     // neither: the feature is `failed`
};
std::string_view to_string(Mode mode);

struct ModeRule {
  ExternalCore setting;
  bool is_core_loadable;
  Mode mode;
  std::string_view reason;
};

// The Ruby plugin (0.3.1, lib/smart_proxy_dynflow/plugin.rb:16-29 and http_config.ru) relays in the second row, after
// it logged an error that promised otherwise.
inline constexpr std::array<ModeRule, 6> kModeRules{{
    {ExternalCore::kFalse, true, Mode::kInProcess, "external_core is false"},
    {ExternalCore::kFalse, false, Mode::kFailed, "external_core is false, but the core library is not available"},
    {ExternalCore::kTrue, true, Mode::kRelay, "external_core is true"},
    {ExternalCore::kTrue, false, Mode::kRelay, "external_core is true"},
    {ExternalCore::kUnset, true, Mode::kInProcess, "external_core is not set and the core library is available"},
    {ExternalCore::kUnset, false, Mode::kRelay, "external_core is not set and the core library is not available"},
}};

const ModeRule& decide_mode(ExternalCore setting, bool is_core_loadable);

}  // namespace dynflow::proxy
