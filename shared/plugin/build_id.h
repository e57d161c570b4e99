// What tells builds apart whose C++ classes may differ. The core and the plugins of one build have the same text.
//
// Threads: a constant.
#pragma once

#include <string_view>

namespace dynflow::plugin {

#ifndef DYNFLOW_BUILD_ID
#define DYNFLOW_BUILD_ID "unknown"
#endif

inline constexpr std::string_view kBuildId = DYNFLOW_BUILD_ID " " __VERSION__;

}  // namespace dynflow::plugin
