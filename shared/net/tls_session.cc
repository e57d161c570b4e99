#include "shared/net/tls_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "shared/net/peer_certificate.h"
#include "shared/net/socket.h"

namespace dynflow::net {
namespace {

long bio_control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default: return 0;
  }
}

int clipped(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

}  // namespace

struct TlsSession::Wire {
  int fd;
  bool holds = false;
  std::string held;  // written, not sent yet
};

// OpenSSL's own socket BIO uses write(2), which raises SIGPIPE when the peer is gone.
int TlsSession::bio_write(BIO* bio, const char* data, int size) {
  Wire& wire = *static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (wire.holds) {
    wire.held.append(data, static_cast<std::size_t>(size));
    return size;
  }
  iovec parts[2] = {{wire.held.data(), wire.held.size()}, {const_cast<char*>(data), static_cast<std::size_t>(size)}};
  msghdr message{};
  message.msg_iov = wire.held.empty() ? parts + 1 : parts;
  message.msg_iovlen = wire.held.empty() ? 1 : 2;
  const auto sent = ::sendmsg(wire.fd, &message, MSG_NOSIGNAL);
  if (sent < 0) {
    if (errno == EAGAIN || errno == EINTR) BIO_set_retry_write(bio);
    return -1;
  }
  const std::size_t of_held = std::min(static_cast<std::size_t>(sent), wire.held.size());
  wire.held.erase(0, of_held);
  const int of_data = static_cast<int>(static_cast<std::size_t>(sent) - of_held);
  if (of_data > 0) return of_data;
  BIO_set_retry_write(bio);
  return -1;
}

int TlsSession::bio_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const auto got = ::recv(static_cast<Wire*>(BIO_get_data(bio))->fd, data, static_cast<std::size_t>(size), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

BIO_METHOD* TlsSession::method() {
  // Built once, immutable, and needed until the last connection of the process is gone.
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "dynflow socket");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    BIO_meth_set_create(made, [](BIO* bio) {
      BIO_set_init(bio, 1);
      return 1;
    });
    return made;
  }();
  return method;
}

TlsSession::TlsSession(ssl_st* ssl, int fd) : ssl_(ssl), wire_(std::make_unique<Wire>(Wire{fd, false, {}})) {
  BIO* bio = BIO_new(method());
  BIO_set_data(bio, wire_.get());
  SSL_set_bio(ssl_, bio, bio);
}

TlsSession::~TlsSession() {
  SSL_free(ssl_);
  ERR_clear_error();
}

void TlsSession::hold() { wire_->holds = true; }

IoResult TlsSession::flush() {
  wire_->holds = false;
  std::string& held = wire_->held;
  while (!held.empty()) {
    const auto sent = ::send(wire_->fd, held.data(), held.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return {IoState::kWantWrite};
    if (sent < 0) {
      failure_ = errno_text(errno);
      is_broken_ = true;
      return {IoState::kFailed};
    }
    held.erase(0, static_cast<std::size_t>(sent));
  }
  return {IoState::kReady};
}

IoResult TlsSession::outcome(int rc) {
  if (rc > 0) return {IoState::kReady, static_cast<std::size_t>(rc)};
  const int system_error = errno;
  switch (SSL_get_error(ssl_, rc)) {
    case SSL_ERROR_WANT_READ: return {IoState::kWantRead};
    case SSL_ERROR_WANT_WRITE: return {IoState::kWantWrite};
    case SSL_ERROR_ZERO_RETURN: return {IoState::kEnd};
    case SSL_ERROR_SYSCALL: failure_ = system_error != 0 ? errno_text(system_error) : "connection cut"; break;
    default: {
      char text[256] = "";
      ERR_error_string_n(ERR_get_error(), text, sizeof text);
      failure_ = text;
      if (const long verify = SSL_get_verify_result(ssl_); verify != X509_V_OK) {
        failure_ += std::string(" (certificate: ") + X509_verify_cert_error_string(verify) + ")";
      }
    }
  }
  is_broken_ = true;
  // The queue belongs to the thread: what stays in it would be blamed on the thread's next connection.
  ERR_clear_error();
  return {IoState::kFailed};
}

IoResult TlsSession::handshake() {
  if (const IoResult sent = flush(); sent.state != IoState::kReady) return sent;
  ERR_clear_error();
  errno = 0;
  wire_->holds = SSL_is_server(ssl_) == 1;
  const IoResult step = outcome(SSL_do_handshake(ssl_));
  wire_->holds = false;
  if (step.state == IoState::kReady) return step;
  // The other side needs this to go on, or to know why not.
  const IoResult sent = flush();
  return step.state == IoState::kWantRead && sent.state != IoState::kReady ? sent : step;
}

IoResult TlsSession::read(std::span<char> buffer) {
  ERR_clear_error();
  errno = 0;
  const IoResult step = outcome(SSL_read(ssl_, buffer.data(), clipped(buffer.size())));
  if (step.state != IoState::kWantRead || wire_->held.empty() || wire_->holds) return step;
  const IoResult sent = flush();
  return sent.state == IoState::kReady ? step : sent;
}

IoResult TlsSession::write(std::span<const char> data) {
  ERR_clear_error();
  errno = 0;
  return outcome(SSL_write(ssl_, data.data(), clipped(data.size())));
}

void TlsSession::close() {
  if (is_broken_ || has_said_goodbye_ || SSL_in_init(ssl_)) return;
  has_said_goodbye_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

bool TlsSession::has_buffered() const { return SSL_has_pending(ssl_) == 1; }

std::shared_ptr<const PeerCertificate> TlsSession::peer_certificate() const {
  std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl_), &X509_free);
  if (!certificate || SSL_get_verify_result(ssl_) != X509_V_OK) return nullptr;
  return PeerCertificate::from_x509(certificate.get());
}

std::string TlsSession::version() const { return SSL_get_version(ssl_); }
bool TlsSession::was_resumed() const { return SSL_session_reused(ssl_) == 1; }

}  // namespace dynflow::net
