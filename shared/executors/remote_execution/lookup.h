// What a connection needs before its first packet, found on a background thread: addresses, the key, a forgotten host key.
//
// Threads: look_up() blocks, from any thread.
#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "shared/executors/remote_execution/key_store.h"

namespace dynflow::remote_execution {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

struct LookupRequest {
  std::string host;
  std::uint16_t port = 22;
  bool wants_addresses = true;       // false: a proxy command connects
  std::string key_file;
  Secret passphrase;
  std::string forget_in;             // known_hosts file to take the host out of; empty: none
};

struct Lookup {
  std::vector<Address> addresses;
  std::string resolve_error;         // "Name or service not known"
  KeyStore::Loaded key;
  std::string forget_error;
};

Lookup look_up(const LookupRequest& request, KeyStore& keys);

}  // namespace dynflow::remote_execution
