// A stream socket, plain or under TLS, with non-blocking steps and with blocking calls that have a deadline.
//
// Threads: one thread at a time, except cut(), which any thread may call while the object lives.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "shared/base/deadline.h"
#include "shared/base/fd.h"
#include "shared/base/result.h"
#include "shared/net/tls_session.h"

namespace dynflow::net {

class Connection {
 public:
  // `fd` must be non-blocking.
  explicit Connection(Fd fd) : fd_(std::move(fd)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Puts TLS over the socket; handshake() must be called until it is ready.
  void set_tls(std::unique_ptr<TlsSession> tls) { tls_ = std::move(tls); }

  int fd() const { return fd_.get(); }
  const TlsSession* tls() const { return tls_.get(); }

  IoResult handshake() { return tls_ ? tls_->handshake() : IoResult{IoState::kReady}; }
  IoResult read_some(std::span<char> buffer);
  // Sends from `first`, then `second`, in one go; how much of both is in `bytes`.
  IoResult write_some(std::string_view first, std::string_view second = {});
  // True when bytes wait where poll(2) cannot see them.
  bool has_buffered() const { return tls_ && tls_->has_buffered(); }

  // Waits until the socket is ready for `state` (kWantRead or kWantWrite). Errors: kTimeout.
  Status wait(IoState state, Deadline deadline) const;
  // The same, but readability ends the wait too.
  Status wait_either(IoState state, Deadline deadline) const;
  // Errors of all four: kTimeout, kClosed (cut, reset, handshake refused).
  Status finish_handshake(Deadline deadline);
  // 0 = the other side finished sending.
  Result<std::size_t> read(std::span<char> buffer, Deadline deadline);
  // The same when nothing can be here yet, as an answer to what was just sent: saves a try in vain.
  Result<std::size_t> read_later(std::span<char> buffer, Deadline deadline);
  // Writes everything.
  Status write(std::string_view first, std::string_view second, Deadline deadline);

  // The same for the last that is said: finish_sending() follows. Short ones leave with TLS's goodbye in one piece.
  Status write_last(std::string_view first, std::string_view second, Deadline deadline);

  // Says goodbye: close_notify, then no more sending. Reading goes on.
  void finish_sending();
  // Breaks the connection at once, so that whoever waits for it wakes up with an error.
  void cut();
  // The same, and the other side gets a reset: it must not take what it has for the whole.
  void cut_with_reset();

 private:
  Status wait_for(short events, Deadline deadline) const;
  Error failure() const;
  Fd fd_;  // declared before tls_: the session must go first
  std::unique_ptr<TlsSession> tls_;
};

}  // namespace dynflow::net
