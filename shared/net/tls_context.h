// TLS settings that many connections share. A server's context never changes; certificates are reloaded by making a new one
// and handing that to new connections. A client's follows its files.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
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

// When one of the files is replaced, new sessions use what it holds then: certificates are renewed while programs run. Files that
// cannot be used are an error in the log, and what they held before stays in use.
class TlsClientContext {
 public:
  // Reads the files. Errors: kInvalid.
  static Result<std::shared_ptr<const TlsClientContext>> create(const TlsClientOptions& options);
  ~TlsClientContext();
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;

  // `host` is a name (sent as SNI and compared with the certificate) or an IP address (compared with its addresses).
  std::unique_ptr<TlsSession> session(int fd, const std::string& host) const;
  // Another number when other files are in use. What was connected before may be closed then: the other side may not trust it any
  // more. Looks at the files once a second at most.
  std::uint64_t generation() const;
  bool verifies() const { return !options_.ca_file.empty(); }

 private:
  struct FileState {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t changed_ns = 0;
    bool operator==(const FileState&) const = default;
  };
  using FileStates = std::array<FileState, 3>;

  TlsClientContext(TlsClientOptions options, FileStates states, ssl_ctx_st* context)
      : options_(std::move(options)), states_(states), context_(context) {}
  static Result<ssl_ctx_st*> load(const TlsClientOptions& options);
  static FileStates look_at(const TlsClientOptions& options);

  void follow_files() const;

  const TlsClientOptions options_;
  mutable std::mutex mutex_;  // guards what follows
  mutable FileStates states_;
  mutable ssl_ctx_st* context_;
  mutable std::uint64_t generation_ = 1;
  mutable Instant next_look_{};
};

}  // namespace dynflow::net
