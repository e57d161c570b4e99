#include "shared/net/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "shared/net/address_list.h"

namespace dynflow::net {
namespace {

constexpr int kBacklog = 4096;

void set_option(int fd, int level, int name) {
  const int on = 1;
  // Only tuning options are set this way; a socket without them still works.
  (void)setsockopt(fd, level, name, &on, sizeof on);
}

void set_port(sockaddr* address, std::uint16_t port) {
  if (address->sa_family == AF_INET) reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(port);
  if (address->sa_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(port);
}

// errno in `error` tells a family that the machine lacks from a real failure.
struct Bound {
  Fd fd;
  int error = 0;
};

Bound bind_one(const addrinfo& address) {
  Fd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return {Fd(), errno};
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  if (address.ai_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  if (::bind(fd.get(), address.ai_addr, address.ai_addrlen) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return {Fd(), errno};
  }
  return {std::move(fd), 0};
}

Result<Fd> connect_one(const Endpoint& to, Deadline deadline) {
  const std::string name = to_string(to);
  auto list = look_up(to.address, to.port, AI_NUMERICHOST);
  if (!list) return list.error();
  const addrinfo& address = **list;
  Fd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error(Code::kUnavailable, name + ": " + errno_text(errno));
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
  if (errno != EINPROGRESS && errno != EINTR) return Error(Code::kUnavailable, name + ": " + errno_text(errno));
  for (;;) {
    pollfd wait{fd.get(), POLLOUT, 0};
    const int ready = ::poll(&wait, 1, deadline.left_ms());
    if (ready > 0) break;
    if (ready < 0 && errno != EINTR) return Error(Code::kFailed, name + ": " + errno_text(errno));
    if (deadline.has_passed()) return Error(Code::kTimeout, name + ": no connection in time");
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error == ETIMEDOUT) return Error(Code::kTimeout, name + ": " + errno_text(error));
  if (error != 0) return Error(Code::kUnavailable, name + ": " + errno_text(error));
  return fd;
}

}  // namespace

std::string errno_text(int error) { return std::system_category().message(error); }

std::string to_string(const Endpoint& endpoint) {
  if (endpoint.address.empty()) return {};
  const bool is_v6 = endpoint.address.find(':') != std::string::npos;
  return (is_v6 ? "[" + endpoint.address + "]" : endpoint.address) + ":" + std::to_string(endpoint.port);
}

Endpoint endpoint_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return {text, ntohs(v4->sin_port)};
  }
  if (address->sa_family != AF_INET6) return {};
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
    inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof text);
    return {text, ntohs(v6->sin6_port)};
  }
  inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  Endpoint endpoint{text, ntohs(v6->sin6_port)};
  if (v6->sin6_scope_id != 0) {
    char zone[IF_NAMESIZE] = "";
    endpoint.address += '%';
    endpoint.address += if_indextoname(v6->sin6_scope_id, zone) != nullptr ? std::string(zone)
                                                                          : std::to_string(v6->sin6_scope_id);
  }
  return endpoint;
}

Endpoint local_endpoint(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (getsockname(fd, address, &size) != 0) return {};
  return endpoint_of(address);
}

bool takes_both_families(int fd) {
  int domain = 0;
  int only_v6 = 1;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_INET6) return false;
  size = sizeof only_v6;
  return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, &size) == 0 && only_v6 == 0;
}

Result<std::vector<ListeningSocket>> listen_on(std::string_view host, std::uint16_t port, const Inherited& inherited) {
  std::vector<ListeningSocket> sockets;
  const bool is_any = host == "*";
  const std::vector<std::string> names =
      is_any ? std::vector<std::string>{"0.0.0.0", "::"} : std::vector<std::string>{std::string(host)};
  for (const std::string& name : names) {
    auto list = look_up(name, port, AI_PASSIVE);
    if (!list) return list.error();
    for (const addrinfo* a = list->get(); a != nullptr; a = a->ai_next) {
      if (!sockets.empty()) set_port(a->ai_addr, sockets.front().bound.port);
      if (auto there = inherited ? inherited(endpoint_of(a->ai_addr)) : std::nullopt) {
        for (ListeningSocket& socket : *there) sockets.push_back(std::move(socket));
        continue;
      }
      Bound bound = bind_one(*a);
      if (!bound.fd) {
        const bool lacks_family = bound.error == EAFNOSUPPORT || bound.error == EADDRNOTAVAIL;
        const bool may_skip = lacks_family && a->ai_family == AF_INET6 && (is_any || a->ai_next || !sockets.empty());
        if (may_skip) continue;
        // In the words of Ruby's Errno: what monitoring looks for.
        return Error(Code::kUnavailable, errno_text(bound.error) + " - bind(2) for " + to_string(endpoint_of(a->ai_addr)));
      }
      Endpoint at = local_endpoint(bound.fd.get());
      sockets.push_back({std::move(bound.fd), std::move(at)});
    }
  }
  if (sockets.empty()) return Error(Code::kUnavailable, "cannot listen on " + std::string(host));
  return sockets;
}

Result<ListeningSocket> adopt_listener(Fd fd) {
  int listens = 0, type = 0;
  socklen_t size = sizeof listens;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) {
    return Error(Code::kInvalid, "descriptor " + std::to_string(fd.get()) + " is not a listening socket");
  }
  size = sizeof type;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) {
    return Error(Code::kInvalid, "descriptor " + std::to_string(fd.get()) + " is not a stream socket");
  }
  Fd own(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!own) return Error(Code::kFailed, "cannot adopt a socket: " + errno_text(errno));
  const int flags = ::fcntl(own.get(), F_GETFL);
  if (flags < 0 || ::fcntl(own.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return Error(Code::kFailed, "cannot adopt a socket: " + errno_text(errno));
  }
  // The backlog of whoever opened it may be small; listen(2) again only changes that.
  (void)::listen(own.get(), kBacklog);
  Endpoint at = local_endpoint(own.get());
  return ListeningSocket{std::move(own), std::move(at)};
}

Result<AcceptedSocket> accept_from(int listener) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  Fd fd(::accept4(listener, address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) {
    switch (errno) {
      case EAGAIN: return Error(Code::kBusy, "nobody waits");
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM: return Error(Code::kUnavailable, errno_text(errno));
      case EBADF:
      case EINVAL:
      case ENOTSOCK: return Error(Code::kClosed, errno_text(errno));
      default: return Error(Code::kFailed, errno_text(errno));
    }
  }
  if (address->sa_family != AF_UNIX) set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  return AcceptedSocket{std::move(fd), endpoint_of(address)};
}

Result<Fd> connect_to(const std::vector<Endpoint>& addresses, Deadline deadline) {
  Error last(Code::kUnavailable, "no address to connect to");
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    // A dead first address must not eat the time of the ones behind it.
    const auto share = deadline.left() / static_cast<long>(addresses.size() - i);
    auto fd = connect_one(addresses[i], deadline.sooner(Deadline::after(share)));
    if (fd) return fd;
    last = fd.error();
  }
  return last;
}

}  // namespace dynflow::net
