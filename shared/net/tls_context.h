// TLS settings that many connections share. A context never changes; certificates are reloaded by making a new one
// and handing that to new connections.
//
// Threads: immutable, all methods may be called from any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/net/tls_session.h"

struct ssl_ctx_st;

namespace dynflow::net {

struct TlsServerOptions {
  std::string certificate_file;  // PEM: the server's certificate, then the chain up to the CA
  std::string key_file;          // PEM: a key of any type
  std::string ca_file;           // PEM: who signs client certificates; empty = none are asked for
  std::vector<std::string> disabled_ciphers;   // OpenSSL names, taken out of the default list
  std::vector<std::string> disabled_versions;  // "1.2", "1.3"; what is not a version is logged and skipped
};

// TLS 1.2 and later, server's cipher order, no renegotiation, sessions resumable. A client certificate is asked for
// and not required; one that does not verify ends the handshake with an alert (spec/proxy-and-shim 1.8).
class TlsServerContext {
 public:
  // Reads the files. Errors: kInvalid with the file's name and OpenSSL's reason.
  static Result<std::shared_ptr<const TlsServerContext>> create(const TlsServerOptions& options);
  ~TlsServerContext();
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;

  std::unique_ptr<TlsSession> session(int fd) const;
  // The end of the server certificate's validity.
  Time expires() const;

 private:
  explicit TlsServerContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

struct TlsClientOptions {
  std::string ca_file;           // PEM; empty = the other side is not verified at all
  std::string certificate_file;  // PEM chain; empty = no client certificate
  std::string key_file;
};

class TlsClientContext {
 public:
  // Reads the files. Errors: kInvalid.
  static Result<std::shared_ptr<const TlsClientContext>> create(const TlsClientOptions& options);
  ~TlsClientContext();
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;

  // `host` is a name (sent as SNI and compared with the certificate) or an IP address (compared with its addresses).
  std::unique_ptr<TlsSession> session(int fd, const std::string& host) const;
  bool verifies() const { return verifies_; }

 private:
  TlsClientContext(ssl_ctx_st* context, bool verifies) : context_(context), verifies_(verifies) {}
  ssl_ctx_st* context_;
  bool verifies_;
};

}  // namespace dynflow::net
