// One TLS connection over a non-blocking socket. Writes never raise SIGPIPE.
//
// Threads: one thread at a time. Made by TlsServerContext and TlsClientContext.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

struct bio_method_st;
struct bio_st;
struct ssl_st;

namespace dynflow::net {

class PeerCertificate;

// How a non-blocking operation ended.
enum class IoState {
  kReady,      // `bytes` were moved, or the handshake is complete
  kWantRead,   // nothing moved: repeat when the socket is readable
  kWantWrite,  // nothing moved: repeat when the socket is writable
  kEnd,        // the other side finished sending
  kFailed,     // the connection is unusable
};
struct IoResult {
  IoState state;
  std::size_t bytes = 0;
};

class TlsSession {
 public:
  // Takes over `ssl`; `fd` stays the caller's and must outlive the session.
  //
  // What a server has to say at the end of a handshake goes out with its first answer, or when a read finds nothing: a packet and a
  // wake-up of the client less.
  TlsSession(ssl_st* ssl, int fd);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  IoResult handshake();
  IoResult read(std::span<char> buffer);
  // After kWantRead or kWantWrite the same bytes must be given again (perhaps with more behind them).
  IoResult write(std::span<const char> data);
  // Sends close_notify if that is possible at once; harmless twice.
  void close();
  // What is written from now on waits for flush(), to leave in one piece. To be used for what is short only.
  void hold();
  // kReady when all of it is sent.
  IoResult flush();
  // True when decrypted or undecrypted bytes wait inside, where poll(2) cannot see them.
  bool has_buffered() const;

  // The verified certificate of the other end; null when it gave none.
  std::shared_ptr<const PeerCertificate> peer_certificate() const;
  // "TLSv1.3"
  std::string version() const;
  bool was_resumed() const;
  // Why the last operation failed; for logs.
  const std::string& failure() const { return failure_; }

 private:
  // What is between OpenSSL and the socket.
  struct Wire;
  static int bio_write(bio_st* bio, const char* data, int size);
  static int bio_read(bio_st* bio, char* data, int size);
  static bio_method_st* method();

  IoResult outcome(int rc);
  ssl_st* ssl_;
  const std::unique_ptr<Wire> wire_;
  bool has_said_goodbye_ = false;
  bool is_broken_ = false;  // true after a fatal error: close_notify must not be sent any more
  std::string failure_;
};

}  // namespace dynflow::net
