// Runs the handler and writes the answer of one request. Answers that come bit by bit are written by cpp-httplib.
//
// httplib never parses bytes from outside: it is given a head of ours ("GET / HTTP/1.1"), and the handler gets the
// request that head.cc parsed. Its routes, body readers, compression, ranges and keep-alive rules are not used.
//
// Threads: run() from any thread, many at once.
#pragma once

#include <memory>
#include <string>

#include "shared/base/deadline.h"
#include "shared/http/message.h"
#include "shared/net/connection.h"

namespace dynflow::http {

class Engine {
 public:
  struct Job {
    Request request;
    net::Connection& io;
    std::chrono::milliseconds write_deadline;
    bool is_http_10 = false;
    // Asked after the handler, before the head is written: shall the connection be closed behind this answer?
    std::function<bool()> wants_close;
  };
  enum class Outcome {
    kKeepAlive,  // answered whole
    kClose,      // answered whole, `Connection: close` said
    kBroken,     // not answered whole: the connection must be cut, so that the client notices
  };

  Engine(Handler handler, std::string server_header);
  ~Engine();

  Outcome run(Job& job) const;

 private:
  class Httplib;
  std::unique_ptr<Httplib> httplib_;
};

}  // namespace dynflow::http
