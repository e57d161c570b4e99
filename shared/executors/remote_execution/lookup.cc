#include "shared/executors/remote_execution/lookup.h"

#include <cerrno>
#include <cstring>

#include "shared/base/wiped_memory.h"
#include "shared/executors/remote_execution/known_hosts.h"

namespace dynflow::remote_execution {
namespace {

void resolve(const LookupRequest& request, Lookup& lookup) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(request.host.c_str(), std::to_string(request.port).c_str(), &hints, &found);
  if (code != 0) {
    lookup.resolve_error = code == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(code);
    return;
  }
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Address address;
    std::memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
    address.size = each->ai_addrlen;
    lookup.addresses.push_back(address);
  }
  ::freeaddrinfo(found);
}

}  // namespace

Lookup look_up(const LookupRequest& request, KeyStore& keys) {
  Lookup lookup;
  if (request.wants_addresses) resolve(request, lookup);
  lookup.key = keys.load(request.key_file, request.passphrase);
  if (!request.passphrase.empty()) wipe_unused_stack();
  if (!request.forget_in.empty()) {
    if (Status done = forget_host(request.forget_in, request.host, request.port); !done) {
      lookup.forget_error = done.error().message();
    }
  }
  return lookup;
}

}  // namespace dynflow::remote_execution
