// Listening sockets that outlive a process: given by a socket unit, or kept by the service manager from the process before.
// Connections wait in them while nobody accepts, so that a restart refuses none.
//
// Threads: values; one owner.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/fd.h"
#include "shared/base/result.h"
#include "shared/net/socket.h"

namespace dynflow::daemon {

// What a listener of ours is called in a socket unit (FileDescriptorName=): "http", "https".
struct WantedListener {
  std::string kind;
  std::string host;  // as net::listen_on() takes it
  std::uint16_t port = 0;
};

struct NamedSocket {
  std::string name;
  Fd fd;
};

struct OpenListener {
  std::string kind;
  net::ListeningSocket socket;
  std::string stored_name;   // what the service manager is to keep it as
  bool is_inherited = false;
};

struct OpenListeners {
  std::vector<OpenListener> sockets;
  std::vector<std::string> stale;  // kept from before under these names, and in the settings no more; they are closed
};

// The name under which the service manager keeps a socket of ours: "stored-https-[__]_8443".
std::string stored_name(std::string_view kind, const net::Endpoint& bound);

// Takes every wanted address, from `inherited` where it is there. Errors: those of net::listen_on(); kInvalid for an inherited
// descriptor that is no listening socket, one that a socket unit gives and no setting wants, and one that is called
// http and wanted for https or the other way round: its clients would wait for ever, or get the wrong protocol.
Result<OpenListeners> open_listeners(const std::vector<WantedListener>& wanted, std::vector<NamedSocket> inherited);

}  // namespace dynflow::daemon
