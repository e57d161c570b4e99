// TCP sockets: listening, adopting, accepting, connecting. Every socket made here is close-on-exec and non-blocking.
//
// Threads: free functions and values; safe everywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/deadline.h"
#include "shared/base/fd.h"
#include "shared/base/result.h"

struct sockaddr;

namespace dynflow::net {

// One numeric end of a connection.
struct Endpoint {
  std::string address;     // "192.0.2.7", "2001:db8::1", "fe80::1%eth0"; an IPv4-mapped address is shown as IPv4
  std::uint16_t port = 0;
};
// "127.0.0.1:8000", "[::1]:8000"; empty for a unix socket.
std::string to_string(const Endpoint& endpoint);
Endpoint endpoint_of(const sockaddr* address);

struct ListeningSocket {
  Fd fd;
  Endpoint bound;
};

// Listens on every address that `host` stands for: `*` is 0.0.0.0 and [::] as two sockets (the second one is left
// out where the machine has no IPv6), a name is all its addresses. Port 0 picks one free port for all of them.
// SO_REUSEADDR is set and SO_REUSEPORT never, so that a second server on the same port fails instead of sharing
// the traffic silently. Errors: kUnavailable (port in use, address not ours), kNotFound (unknown name).
//
// `inherited` is asked first for each of these addresses. Nothing: the address is still to be taken; else the socket that
// listens there already, or none when one that it gave before covers the address, too (IPv6 and IPv4 on one socket).
using Inherited = std::function<std::optional<std::vector<ListeningSocket>>(const Endpoint&)>;
Result<std::vector<ListeningSocket>> listen_on(std::string_view host, std::uint16_t port, const Inherited& inherited = {});

// True for an IPv6 socket that takes IPv4 connections, too.
bool takes_both_families(int fd);

// Takes over a listening socket that somebody else opened (socket activation, restart).
// Errors: kInvalid when it is not a listening stream socket.
Result<ListeningSocket> adopt_listener(Fd fd);

struct AcceptedSocket {
  Fd fd;
  Endpoint peer;
};
// Accepts one connection (close-on-exec, non-blocking, NODELAY). Errors: kBusy when none waits, kUnavailable when
// descriptors or memory ran out, kClosed when the listener is gone, kFailed when that one connection went away.
Result<AcceptedSocket> accept_from(int listener);

// Connects to one of `addresses` (numeric), tried in order, sharing the time fairly. NODELAY is set.
// Errors: kUnavailable (nobody there), kTimeout.
Result<Fd> connect_to(const std::vector<Endpoint>& addresses, Deadline deadline);

Endpoint local_endpoint(int fd);

// The text of an errno value.
std::string errno_text(int error);

}  // namespace dynflow::net
