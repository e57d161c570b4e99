// A server on a free port of 127.0.0.1 with a handler made for tests.
//
// Threads: one; the handler's gate may be opened from any.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "shared/http/server.h"

namespace dynflow::test {

// Lets handlers wait for the test and the test for handlers.
class Gate {
 public:
  // Called by a handler: waits until open(), at most 10 s.
  void pass();
  // Waits until `count` handlers are waiting; false after 10 s.
  bool wait_for(std::size_t count);
  void open();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t waiting_ = 0;
  bool is_open_ = false;
};

// Waits until `condition` holds, without a guess how long that takes; false after 10 s.
bool eventually(const std::function<bool()>& condition);

class TestServer {
 public:
  // `adjust` changes the options before the start.
  explicit TestServer(const std::function<void(http::ServerOptions&)>& adjust = {});
  ~TestServer();

  std::uint16_t port() const { return server.ports().front(); }

  // /echo: the body. /waits: passes the gate first. /throws, /unread (leaves the body), /known and /unknown (streams
  // with and without length), /broken (a stream that fails), /bad-header, /empty (204), /who (peer, as text),
  // everything else: "METHOD target body-length".
  http::Response handle(http::Request& request);

  Gate gate;
  http::Server server;
};

// Reads `texts` one after another; an entry that is "!" fails.
std::unique_ptr<http::BodyStream> pieces(std::vector<std::string> texts, std::optional<std::uint64_t> length = {});

}  // namespace dynflow::test
