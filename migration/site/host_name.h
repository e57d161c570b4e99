// What this host calls itself.
//
// Threads: pure functions; the first may ask a resolver.
#pragma once

#include <string>
#include <string_view>

namespace dynflow::migration {

// With its domain when the system knows one; "localhost" when it has no name.
std::string own_host_name();

// The host of "https://host:port/path", "[::1]" without brackets; empty when there is none.
std::string host_of(std::string_view url);

}  // namespace dynflow::migration
