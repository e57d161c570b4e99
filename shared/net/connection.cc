#include "shared/net/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "shared/net/socket.h"
#include "shared/net/wait_observer.h"

namespace dynflow::net {
namespace {

constexpr std::size_t kTlsRecord = 16 * 1024;

}  // namespace

IoResult Connection::read_some(std::span<char> buffer) {
  if (tls_) return tls_->read(buffer);
  for (;;) {
    const auto got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) return {IoState::kReady, static_cast<std::size_t>(got)};
    if (got == 0) return {IoState::kEnd};
    if (errno == EAGAIN) return {IoState::kWantRead};
    if (errno != EINTR) return {IoState::kFailed};
  }
}

IoResult Connection::write_some(std::string_view first, std::string_view second) {
  if (tls_) {
    if (first.empty()) return tls_->write(second);
    if (second.empty() || first.size() >= kTlsRecord) return tls_->write(first);
    // Head and body in one record: the same bytes come out when the call is repeated, as TLS demands.
    std::string joined;
    const std::size_t room = std::min(second.size(), kTlsRecord - first.size());
    joined.reserve(first.size() + room);
    joined.append(first).append(second.substr(0, room));
    return tls_->write(joined);
  }
  iovec parts[2] = {{const_cast<char*>(first.data()), first.size()}, {const_cast<char*>(second.data()), second.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = second.empty() ? 1 : 2;
  for (;;) {
    const auto sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (sent >= 0) return {IoState::kReady, static_cast<std::size_t>(sent)};
    if (errno == EAGAIN) return {IoState::kWantWrite};
    if (errno != EINTR) return {IoState::kFailed};
  }
}

Status Connection::wait(IoState state, Deadline deadline) const {
  return wait_for(state == IoState::kWantWrite ? POLLOUT : POLLIN, deadline);
}

Status Connection::wait_either(IoState state, Deadline deadline) const {
  return wait_for(state == IoState::kWantWrite ? POLLOUT | POLLIN : POLLIN, deadline);
}

Status Connection::wait_for(short events, Deadline deadline) const {
  const WaitObserver::Wait observed;
  pollfd wanted{fd_.get(), events, 0};
  for (;;) {
    const int ready = ::poll(&wanted, 1, deadline.left_ms());
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return Error(Code::kFailed, "poll: " + errno_text(errno));
    if (deadline.has_passed()) return Error(Code::kTimeout, "the other side was too slow");
  }
}

Error Connection::failure() const {
  return Error(Code::kClosed, tls_ && !tls_->failure().empty() ? tls_->failure() : "the connection broke");
}

Status Connection::finish_handshake(Deadline deadline) {
  for (;;) {
    const IoResult step = handshake();
    if (step.state == IoState::kReady) return {};
    if (step.state == IoState::kEnd || step.state == IoState::kFailed) return failure();
    if (auto waited = wait(step.state, deadline); !waited) return waited;
  }
}

Result<std::size_t> Connection::read(std::span<char> buffer, Deadline deadline) {
  for (;;) {
    const IoResult step = read_some(buffer);
    if (step.state == IoState::kReady) return step.bytes;
    if (step.state == IoState::kEnd) return std::size_t{0};
    if (step.state == IoState::kFailed) return failure();
    if (auto waited = wait(step.state, deadline); !waited) return waited.error();
  }
}

Result<std::size_t> Connection::read_later(std::span<char> buffer, Deadline deadline) {
  // TLS may have bytes where poll(2) does not see them.
  if (!tls_) {
    if (auto waited = wait(IoState::kWantRead, deadline); !waited) return waited.error();
  }
  return read(buffer, deadline);
}

Status Connection::write(std::string_view first, std::string_view second, Deadline deadline) {
  while (!first.empty() || !second.empty()) {
    const IoResult step = write_some(first, second);
    if (step.state == IoState::kReady) {
      const std::size_t of_first = std::min(step.bytes, first.size());
      first.remove_prefix(of_first);
      second.remove_prefix(step.bytes - of_first);
      continue;
    }
    if (step.state == IoState::kEnd || step.state == IoState::kFailed) return failure();
    if (auto waited = wait(step.state, deadline); !waited) return waited;
  }
  return {};
}

Status Connection::write_last(std::string_view first, std::string_view second, Deadline deadline) {
  if (!tls_ || first.size() + second.size() > kTlsRecord) return write(first, second, deadline);
  tls_->hold();
  if (auto written = write(first, second, deadline); !written) return written;
  tls_->close();
  for (;;) {
    const IoResult step = tls_->flush();
    if (step.state == IoState::kReady) return {};
    if (step.state == IoState::kFailed) return failure();
    if (auto waited = wait(step.state, deadline); !waited) return waited;
  }
}

void Connection::finish_sending() {
  if (tls_) tls_->close();
  ::shutdown(fd_.get(), SHUT_WR);
}

void Connection::cut() { ::shutdown(fd_.get(), SHUT_RDWR); }

void Connection::cut_with_reset() {
  // An immediate close(2) then discards what was not sent and resets. shutdown(2) would send a clean end first.
  const linger now{1, 0};
  (void)setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  // The reset goes out with close(2).
  ::shutdown(fd_.get(), SHUT_RD);
}

}  // namespace dynflow::net
