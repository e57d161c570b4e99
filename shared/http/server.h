// The HTTP/1.1 server: strict, event-driven where it waits, threads only where a handler runs.
//
// The life of a request: an I/O thread accepts, does the TLS handshake, reads the head (head.h) and a small body;
// a worker runs the handler through cpp-httplib's engine (engine.h) and sends the answer. Connections that are
// idle, slow or in a handshake hold no thread.
//
// What outsiders cannot do: bytes that are not exactly HTTP/1.1 are answered with 400/414/417/431/501/505 and the
// connection is closed; heads, bodies, connections, connections per address and the queue are bounded; every phase
// has a deadline. When the queue is full the answer is 503 with Retry-After at once.
//
// Threads: start, stop and ports from the owner's thread; handlers run on worker threads, many at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/deadline.h"
#include "shared/base/fd.h"
#include "shared/base/result.h"
#include "shared/http/head.h"
#include "shared/http/message.h"
#include "shared/metrics/requests.h"
#include "shared/net/tls_context.h"

namespace dynflow::http {

// Asked once a connection, so that a new certificate serves new connections. Null = refuse the connection.
using TlsProvider = std::function<std::shared_ptr<const net::TlsServerContext>()>;

struct ListenerOptions {
  std::string address = "127.0.0.1";  // a name, an address or `*` (net::listen_on)
  std::uint16_t port = 0;             // 0 = any free one, see Server::ports
  Fd adopted;                         // a listening socket to take over instead of address and port
  TlsProvider tls;                    // empty = plain HTTP
};

// Requests of the background give way: they have workers and a queue of their own, and everything else comes first.
enum class Lane { kForeground, kBackground };

struct ServerOptions {
  std::vector<ListenerOptions> listeners;
  std::string server_header = "smart-proxy";
  std::size_t io_threads = 2;
  std::size_t max_workers = 16;       // started when needed
  std::size_t max_queue = 1024;       // complete requests that wait for a worker, in each lane
  // Asked for each request, by an I/O thread or a worker; empty: all are in the foreground.
  std::function<Lane(const RequestHead&)> lane;
  std::size_t max_background_workers = 16;  // of max_workers
  std::size_t max_connections = 8192;
  std::size_t max_connections_per_peer = 2048;
  std::uint64_t max_body = 256ULL * 1024 * 1024;  // bytes; longer ones are refused with 413, unread
  std::chrono::milliseconds handshake_deadline{10'000};
  std::chrono::milliseconds head_deadline{20'000};    // first byte of a head to its last
  std::chrono::milliseconds body_deadline{60'000};    // the whole of a request's body
  std::chrono::milliseconds idle_deadline{30'000};    // between requests, as upstream's keep-alive
  std::chrono::milliseconds request_deadline{60'000};  // becomes Request::deadline
  std::chrono::milliseconds write_deadline{60'000};   // for each piece of an answer
};

class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens the listeners and returns when connections are accepted. Once only. Errors: kUnavailable (port in use),
  // kInvalid (unknown name, not a listening socket).
  Status start(Handler handler);

  // What becomes of connections that come during the end.
  enum class Latecomers {
    kWait,     // in the queue of the listening socket, for the process that has it next
    kRefused,  // their requests are answered with 503
  };
  // Begins the end: idle connections are closed, running and queued requests are finished with `Connection: close`. Returns when
  // no connection from before is left, or at the deadline; from then on requests that no handler has begun with are answered
  // with 503. To be followed by stop(). Harmless before start.
  void drain(Latecomers latecomers, Deadline deadline);

  // True when every I/O thread has turned round since the last call; asks them to turn again. For a watchdog; true before start.
  bool has_turned();

  // Stops accepting, closes idle connections, lets running and queued requests finish with `Connection: close`, and
  // cuts what is left at the deadline. Returns when no thread of the server runs; only a handler that goes on after
  // its connection was cut can delay that. Harmless twice or before start.
  void stop(Deadline deadline);

  // The ports of the listeners, in the order of the options (one each, also for `*`).
  const std::vector<std::uint16_t>& ports() const;

  // Connections open now, and requests that wait for a worker.
  using Load = metrics::ServerLoad;
  Load load() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dynflow::http
