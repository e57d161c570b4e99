#include "tests/unit/shared/persistence/postgres/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <string_view>
#include <utility>

namespace dynflow::persistence {
namespace {

using namespace std::string_view_literals;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = ::htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

Proxy::Proxy(int server_port) : server_port_(server_port), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener_.get(), 32) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ::ntohs(address.sin_port);
  acceptor_ = NamedThread("proxy", [this] { accept_connections(); });
}

Proxy::~Proxy() {
  is_running_ = false;
  acceptor_.join();
  carriers_.clear();
}

void Proxy::accept_connections() {
  while (is_running_) {
    pollfd entry{listener_.get(), POLLIN, 0};
    if (::poll(&entry, 1, 20) <= 0) continue;
    Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client || !is_open_) continue;
    const std::lock_guard lock(mutex_);
    carriers_.emplace_back("carrier", [this, fd = client.release(), cuts = cuts_.load()] { carry(Fd(fd), cuts); });
  }
}

void Proxy::cut_all() {
  std::vector<NamedThread> carriers;
  {
    const std::lock_guard lock(mutex_);
    carriers.swap(carriers_);
    ++cuts_;
  }
  carriers.clear();
}

void Proxy::carry(Fd client, int cuts) {
  const Fd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(server_port_);
  if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
  Cut cut = Cut::kNone;
  while (is_running_ && cuts_.load() == cuts) {
    std::array<pollfd, 2> entries = {{{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}}};
    if (::poll(entries.data(), entries.size(), 5) <= 0) continue;
    if (entries[0].revents != 0 && !carry_to_server(client.get(), server.get(), cut)) return;
    if (entries[1].revents != 0 && !carry_to_client(client.get(), server.get(), cut)) return;
  }
}

bool Proxy::carry_to_server(int client, int server, Cut& cut) {
  std::array<char, 65536> block{};
  const ssize_t got = ::recv(client, block.data(), block.size(), 0);
  if (got <= 0) return false;
  std::string_view bytes(block.data(), static_cast<std::size_t>(got));
  const auto commit = bytes.find("\0COMMIT\0"sv);
  if (commit != std::string_view::npos && bytes.find("BEGIN\0"sv) < commit && bytes.find("READ ONLY") == std::string_view::npos) {
    cut = next_cut_.exchange(Cut::kNone);
  }
  if (cut == Cut::kBeforeCommit) {
    send_all(server, bytes.substr(0, commit));
    return false;
  }
  return send_all(server, bytes);
}

bool Proxy::carry_to_client(int client, int server, Cut cut) {
  std::array<char, 65536> block{};
  const ssize_t got = ::recv(server, block.data(), block.size(), 0);
  if (got <= 0) return false;
  const std::string_view bytes(block.data(), static_cast<std::size_t>(got));
  if (cut == Cut::kBeforeAnswer) return bytes.find("COMMIT\0"sv) == std::string_view::npos;  // the rest is thrown away too
  return send_all(client, bytes);
}

}  // namespace dynflow::persistence
