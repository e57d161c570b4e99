// What the programs say about themselves. Foreman up to 2.5 wants three numbers in the host's version and plans no job
// without them (foreman-tasks 4.1.0, app/lib/actions/proxy_action.rb).
//
// Threads: constants.
#pragma once

#include <string_view>

namespace dynflow::proxy {

// The Ruby Smart Proxy whose behaviour is offered: what clients compare with.
inline constexpr std::string_view kHostVersion = SMART_PROXY_VERSION;
// The Ruby plugin's version whose interface is offered.
inline constexpr std::string_view kDynflowVersion = SMART_PROXY_DYNFLOW_VERSION;
// Our own.
inline constexpr std::string_view kProductVersion = PRODUCT_VERSION;

}  // namespace dynflow::proxy
