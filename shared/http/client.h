// An HTTP/1.1 client for one server: pooled keep-alive connections, bodies that stream both ways, errors by kind.
//
// Threads: all methods from any thread. send() blocks its caller up to the deadline. A response's body belongs to
// one thread at a time and may outlive the pool.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shared/base/deadline.h"
#include "shared/base/result.h"
#include "shared/http/message.h"
#include "shared/net/tls_context.h"

namespace dynflow::http {

struct ClientOptions {
  std::string host;                                  // a name or an address (IPv6 without brackets)
  std::uint16_t port = 80;
  std::shared_ptr<const net::TlsClientContext> tls;  // null = plain HTTP
  std::size_t max_connections = 64;                  // more requests wait for one, up to their deadline
  std::chrono::milliseconds connect_deadline{10'000};
  std::chrono::milliseconds max_idle{20'000};        // idle longer = not used again; below the server's own limit
};

struct ClientResponse {
  int status = 0;
  std::string reason;
  Headers headers;                   // all that came, hop-by-hop and framing fields too
  // Never null. length() is what Content-Length said, also for an answer to HEAD, whose read() is 0 at once.
  // read() ends with kBadPeer when the body is shorter than announced or badly framed, kTimeout at the deadline.
  // The connection goes back to the pool with the last byte; giving the stream up earlier closes it.
  std::unique_ptr<BodyStream> body;
};

class ClientPool {
 public:
  explicit ClientPool(ClientOptions options);
  ~ClientPool();
  ClientPool(const ClientPool&) = delete;
  ClientPool& operator=(const ClientPool&) = delete;

  // Sends a request and returns when the head of the final answer is here (1xx are skipped).
  // `target` in origin form, as it is to be sent. `headers`: Host is added when missing; hop-by-hop and framing
  // fields and Expect are left out, the body decides those. `body` may be null; without a length it is sent chunked.
  // `deadline` covers the answer's body too; the final answer's head must be here by `head_deadline`.
  // Retried once a dead pooled connection, and only when the connection died before the first byte of an answer,
  // the method is GET or HEAD without a body, or nothing of the request had been written.
  // Errors: kClosed (after abort()), kUnavailable (no connection: name, refused, TLS), kTimeout, kBusy (no free connection in time),
  // kBadPeer (no answer, or none that is HTTP), kInvalid (method, target or header that must not be sent), and those of `body`.
  Result<ClientResponse> send(std::string_view method, std::string_view target, const Headers& headers,
                              BodyStream* body, Deadline deadline, Deadline head_deadline);
  Result<ClientResponse> send(std::string_view method, std::string_view target, const Headers& headers,
                              BodyStream* body, Deadline deadline) {
    return send(method, target, headers, body, deadline, deadline);
  }

  // Drops the connections that nobody uses.
  void close_idle();
  // Breaks every exchange under way, also the reading of bodies; those of send() and all later ones end with kClosed. Does not
  // wait. A connection that is being opened is given up when that succeeds or its deadline passes.
  void abort();

  struct Load {
    std::size_t open = 0;  // in use and idle
    std::size_t idle = 0;
    std::uint64_t retries = 0;  // requests sent again, since the beginning
  };
  Load load() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;  // shared with the bodies of answers that are still being read
};

}  // namespace dynflow::http
