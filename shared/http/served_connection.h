// One connection of the server: takes bytes in without blocking until a request is complete enough to be served.
//
// Threads: one owner at a time, the I/O thread or a worker. The atomics are what the I/O thread may look at while
// it is not the owner. Created and destroyed by its I/O thread only.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "shared/http/body_framing.h"
#include "shared/http/head.h"
#include "shared/http/server.h"
#include "shared/net/connection.h"
#include "shared/net/socket.h"

namespace dynflow::http {

class IoThread;

enum class Phase {
  kHandshake,  // TLS handshake under way
  kHead,       // idle, or a head is arriving
  kBody,       // the head is complete, a small body is arriving
  kRequest,    // a request waits for a worker or is being served
  kLingering,  // we said goodbye; what still comes is dropped
  kClosed,     // to be destroyed
};

// What a connection that its I/O thread has can do without when the server ends.
enum class Rest {
  kNone,   // something is under way
  kFresh,  // nothing was asked on it yet: its first request may be on the way
  kIdle,   // everything that was asked is answered
};

// What a connection needs next.
struct Intake {
  enum class Kind {
    kWait,     // more bytes; `io` tells which readiness
    kRequest,  // a request is complete, or its body is too long to be collected here
    kReject,   // answer `reject` and close
    kClose,    // the other side is gone
  };
  Kind kind;
  net::IoState io = net::IoState::kWantRead;
  Reject reject{0, {}};
};

class ServedConnection {
 public:
  ServedConnection(Fd fd, IoThread& owner, const ServerOptions& options, std::string peer_address, bool is_tls);

  // Goes as far as the bytes allow. `scratch` is the caller's read buffer.
  Intake advance(std::span<char> scratch);
  // After a request: drops what the handler left of the body and goes back to kHead. False when the rest of the
  // body is not here yet or is broken.
  bool finish_request();
  // The same question without doing it; true may turn out to be wrong for a chunked body.
  bool can_finish_request() const;
  // Bytes that were read ahead, so that waiting for readiness would hang.
  bool has_input() const { return in_at_ < in_.size() || io.has_buffered(); }
  std::string_view input() const { return std::string_view(in_).substr(in_at_); }
  void consume(std::size_t count);
  void append_input(std::string_view bytes) { in_.append(bytes); }

  // Time and idleness as the I/O thread sees them; set before the connection is handed back.
  void set_deadline(std::chrono::milliseconds span) { deadline_ns.store(ns_after(span), std::memory_order_relaxed); }
  void clear_deadline() { deadline_ns.store(kNever, std::memory_order_relaxed); }
  bool is_idle() const { return phase == Phase::kHead && in_at_ == in_.size() && !io.has_buffered(); }
  void shrink_buffers();

  static constexpr std::int64_t kNever = INT64_MAX;
  static std::int64_t ns_after(std::chrono::milliseconds span);

  net::Connection io;
  IoThread& owner;
  const ServerOptions& options;
  Phase phase = Phase::kHead;
  Peer peer;
  std::string local_address;
  RequestHead head;
  Lane lane = Lane::kForeground;
  BodyFraming framing;
  std::string body;              // collected body bytes, decoded
  bool must_continue = false;    // the client waits for "100 Continue"
  bool is_late = false;          // accepted while the server drains
  bool has_served = false;       // a request was answered on it
  bool must_close = false;       // the connection cannot carry another request
  std::size_t dropped = 0;       // bytes seen while lingering
  std::atomic<std::int64_t> deadline_ns{kNever};
  std::atomic<Rest> rest{Rest::kNone};

 private:
  Intake take_head(bool& needs_bytes);
  Intake take_body(bool& needs_bytes);

  std::string in_;               // bytes read and not used yet start at in_at_
  std::size_t in_at_ = 0;
  HeadScanner scanner_;
};

// Bodies up to this size are collected before a worker is used, so that slow senders hold no thread.
constexpr std::uint64_t kCollectedBody = 64 * 1024;
constexpr std::size_t kReadSize = 16 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace dynflow::http
