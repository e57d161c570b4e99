#include "proxy/dynflow/mode.h"

#include <algorithm>

namespace dynflow::proxy {

std::string_view to_string(Mode mode) {
  switch (mode) {
    case Mode::kInProcess: return "in-process";
    case Mode::kRelay: return "relay";
    case Mode::kFailed: return "failed";
  }
  return "failed";
}

std::string_view to_string(ExternalCore setting) {
  switch (setting) {
    case ExternalCore::kUnset: return "unset";
    case ExternalCore::kFalse: return "false";
    case ExternalCore::kTrue: return "true";
  }
  return "unset";
}

const ModeRule& decide_mode(ExternalCore setting, bool is_core_loadable) {
  return *std::find_if(kModeRules.begin(), kModeRules.end(), [&](const ModeRule& rule) {
    return rule.setting == setting && rule.is_core_loadable == is_core_loadable;
  });
}

}  // namespace dynflow::proxy
