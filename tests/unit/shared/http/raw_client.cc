#include "tests/unit/shared/http/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdlib>
#include <stdexcept>

namespace dynflow::test {
namespace {

constexpr int kPatienceMs = 10'000;

sockaddr_in local(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

RawSocket::RawSocket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in address = local(port);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot connect");
  }
}

bool RawSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawSocket::fill() {
  pollfd wait{fd_.get(), POLLIN, 0};
  if (::poll(&wait, 1, kPatienceMs) != 1) return false;
  char bytes[65536];
  const auto got = ::recv(fd_.get(), bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

std::string RawSocket::take(std::size_t count) {
  while (buffer_.size() < count && fill()) {
  }
  std::string taken = buffer_.substr(0, count);
  buffer_.erase(0, taken.size());
  return taken;
}

std::string RawSocket::head() {
  while (buffer_.find("\r\n\r\n") == std::string::npos && fill()) {
  }
  const std::size_t end = buffer_.find("\r\n\r\n");
  return take(end == std::string::npos ? buffer_.size() : end + 4);
}

std::string RawSocket::answer() {
  std::string text = head();
  const std::size_t field = text.find("Content-Length: ");
  if (field == std::string::npos) return text;
  return text + take(std::strtoul(text.c_str() + field + 16, nullptr, 10));
}

std::string RawSocket::rest() {
  while (fill()) {
  }
  return take(buffer_.size());
}

bool RawSocket::is_closed() {
  if (!buffer_.empty()) return false;
  pollfd wait{fd_.get(), POLLIN, 0};
  if (::poll(&wait, 1, kPatienceMs) != 1) return false;
  char byte;
  return ::recv(fd_.get(), &byte, 1, MSG_PEEK) <= 0;
}

void RawSocket::finish_sending() { ::shutdown(fd_.get(), SHUT_WR); }

RawListener::RawListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = local(0);
  socklen_t size = sizeof address;
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(fd_.get(), 64) != 0 ||
      ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("cannot listen");
  }
  port_ = ntohs(address.sin_port);
}

RawSocket RawListener::accept() {
  pollfd wait{fd_.get(), POLLIN, 0};
  if (::poll(&wait, 1, kPatienceMs) != 1) throw std::runtime_error("nobody connected");
  return RawSocket(Fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

int status_of(std::string_view answer) {
  if (answer.substr(0, 7) != "HTTP/1." || answer.size() < 12) return 0;
  return std::atoi(std::string(answer.substr(9, 3)).c_str());
}

std::string body_of_answer(std::string_view answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string() : std::string(answer.substr(end + 4));
}

}  // namespace dynflow::test
