// What this host calls itself.
//
// Threads: pure functions; the first two may ask a resolver.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dynflow::migration {

// With its domain when the system knows one; "localhost" when it has no name.
std::string own_host_name();

// Whether the name or address is one of this host's. Nothing when it has no address.
std::optional<bool> is_this_host(const std::string& host);

// The host of "https://host:port/path", "[::1]" without brackets; empty when there is none.
std::string host_of(std::string_view url);

}  // namespace dynflow::migration
