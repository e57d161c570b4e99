// getaddrinfo() as a value: what sockets and the resolver look names up with. Internal to net: it shows the system's structures.
//
// Threads: pure functions; look_up() blocks on the name servers unless AI_NUMERICHOST is among the flags.
#pragma once

#include <netdb.h>

#include <cstdint>
#include <memory>
#include <string>

#include "shared/base/result.h"

namespace dynflow::net {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// TCP addresses of a name or of an address in text form, never empty. Errors: kNotFound (no such name), kUnavailable (the
// name servers cannot be asked), with the name in the text.
Result<AddressList> look_up(const std::string& name, std::uint16_t port, int flags);

// The error that a return code of the getaddrinfo family stands for; reads errno for EAI_SYSTEM.
Error lookup_error(const std::string& what, int rc);

}  // namespace dynflow::net
