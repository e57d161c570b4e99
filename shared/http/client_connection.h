// One connection of the client pool: writes a request, reads the head of its answer and the body.
//
// Threads: one owner at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "shared/base/deadline.h"
#include "shared/http/body_framing.h"
#include "shared/http/head.h"
#include "shared/http/message.h"
#include "shared/net/connection.h"

namespace dynflow::http {

class ClientConnection {
 public:
  explicit ClientConnection(Fd fd) : io(std::move(fd)) {}

  // Starts an exchange. `head` is the whole head of the request; the body is sent as `is_chunked` says.
  // An answer that comes before the request is out ends the sending; the connection cannot be used again then.
  // Errors: kClosed (died), kTimeout, and those of `body`.
  Status send_request(std::string_view head, BodyStream* body, bool is_chunked, Deadline deadline);
  // The head of the final answer. `is_head`: the request was HEAD. Errors: kClosed (died before the first byte),
  // kBadPeer, kTimeout.
  Result<ResponseHead> read_head(bool is_head, Deadline deadline);
  // The next bytes of the answer's body; 0 = complete. Errors: kBadPeer, kTimeout.
  Result<std::size_t> read_body(std::span<char> buffer, Deadline deadline);

  bool body_is_complete() const { return framing_.is_complete(); }
  // True when the whole body came with the head, or there is none.
  bool body_is_here() const;
  // True when the exchange is over and another one may follow.
  bool is_reusable() const { return is_keep_alive_ && framing_.is_complete() && in_.size() == in_at_; }
  // True when an idle connection was closed, or spoken on, by the other side.
  bool is_stale();
  // True when bytes of the present request may have reached the other side.
  bool has_written() const { return has_written_; }
  // True when bytes of an answer to the present request have come.
  bool has_answer() const { return has_answer_; }
  // True when the request failed because of its own body, not of the connection.
  bool has_body_failure() const { return has_body_failure_; }

  net::Connection io;
  bool is_reused = false;
  Instant idle_since{};
  std::uint64_t tls_generation = 0;  // of the files that it was connected with; 0: plain

 private:
  enum class Progress { kSent, kAnswered };
  Result<Progress> write(std::string_view first, std::string_view second, Deadline deadline);
  bool has_early_answer();
  Status fill(Deadline deadline);
  std::string_view input() const { return std::string_view(in_).substr(in_at_); }
  void consume(std::size_t count);

  std::string in_;
  std::size_t in_at_ = 0;
  BodyFraming framing_;
  bool is_keep_alive_ = true;
  bool has_written_ = false;
  bool has_answer_ = false;
  bool has_body_failure_ = false;
  bool has_ended_ = false;  // the other side finished sending
};

}  // namespace dynflow::http
