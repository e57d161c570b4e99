#include "shared/net/tls_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "shared/net/peer_certificate.h"
#include "shared/net/socket.h"

namespace dynflow::net {
namespace {

int descriptor_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

// OpenSSL's own socket BIO uses write(2), which raises SIGPIPE when the peer is gone.
int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const auto sent = ::send(descriptor_of(bio), data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const auto got = ::recv(descriptor_of(bio), data, static_cast<std::size_t>(size), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

long bio_control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default: return 0;
  }
}

BIO_METHOD* socket_method() {
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

int clipped(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, INT_MAX)); }

}  // namespace

TlsSession::TlsSession(ssl_st* ssl, int fd) : ssl_(ssl) {
  BIO* bio = BIO_new(socket_method());
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
  SSL_set_bio(ssl_, bio, bio);
}

TlsSession::~TlsSession() {
  SSL_free(ssl_);
  ERR_clear_error();
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
  ERR_clear_error();
  errno = 0;
  return outcome(SSL_do_handshake(ssl_));
}

IoResult TlsSession::read(std::span<char> buffer) {
  ERR_clear_error();
  errno = 0;
  return outcome(SSL_read(ssl_, buffer.data(), clipped(buffer.size())));
}

IoResult TlsSession::write(std::span<const char> data) {
  ERR_clear_error();
  errno = 0;
  return outcome(SSL_write(ssl_, data.data(), clipped(data.size())));
}

void TlsSession::close() {
  if (is_broken_ || SSL_in_init(ssl_)) return;
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
