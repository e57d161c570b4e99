#include "shared/net/address_list.h"

#include <cerrno>

#include "shared/net/socket.h"

namespace dynflow::net {

Error lookup_error(const std::string& what, int rc) {
  const int system_error = errno;
  const std::string text = what + ": " + (rc == EAI_SYSTEM ? errno_text(system_error) : gai_strerror(rc));
  const bool is_unknown = rc == EAI_NONAME || rc == EAI_NODATA;
  return Error(is_unknown ? Code::kNotFound : Code::kUnavailable, text);
}

Result<AddressList> look_up(const std::string& name, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int rc = getaddrinfo(name.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (rc != 0) return lookup_error(name, rc);
  return AddressList(found, &freeaddrinfo);
}

}  // namespace dynflow::net
