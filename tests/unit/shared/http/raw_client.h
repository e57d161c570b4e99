// A client that sends exactly the bytes it is told to, for tests that must not depend on the code under test; and a
// server that does the same, for tests of the client.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/fd.h"

namespace dynflow::test {

class RawSocket {
 public:
  // Connects to 127.0.0.1.
  explicit RawSocket(std::uint16_t port);
  explicit RawSocket(Fd fd) : fd_(std::move(fd)) {}

  // False when the other side does not take the bytes.
  bool send(std::string_view bytes);
  // The next answer, head and body, framed by its own Content-Length (none: head only); what came until the end of
  // the connection or 10 s when that is less.
  std::string answer();
  // Head only, up to and with the empty line.
  std::string head();
  // Everything up to the end of the connection.
  std::string rest();
  // True when the other side closed (or reset) and nothing is left to read.
  bool is_closed();
  void finish_sending();
  void close() { fd_.reset(); }
  int fd() const { return fd_.get(); }

 private:
  bool fill();
  std::string take(std::size_t count);
  Fd fd_;
  std::string buffer_;
};

class RawListener {
 public:
  RawListener();
  std::uint16_t port() const { return port_; }
  // Waits for the next connection.
  RawSocket accept();
  void close() { fd_.reset(); }

 private:
  Fd fd_;
  std::uint16_t port_ = 0;
};

// "200" of "HTTP/1.1 200 OK..."; 0 when it is no answer.
int status_of(std::string_view answer);
std::string body_of_answer(std::string_view answer);

}  // namespace dynflow::test
