// A TCP proxy between a store and its server that cuts connections when it is told to.
//
// Threads: the public functions any.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "shared/base/fd.h"
#include "shared/base/thread.h"

namespace dynflow::persistence {

class Proxy {
 public:
  enum class Cut {
    kNone,
    kBeforeCommit,  // the server gets all of a transaction but its COMMIT
    kBeforeAnswer,  // the server has committed, and its answer is thrown away
  };

  // On a free loopback port, to `server_port`.
  explicit Proxy(int server_port);
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  ~Proxy();

  int port() const { return port_; }
  // Cuts all connections; nothing goes through them any more when it returns.
  void cut_all();
  // The next transaction that changes something is cut so; once.
  void cut_next(Cut cut) { next_cut_ = cut; }
  // Whether that has happened.
  bool has_cut() const { return next_cut_.load() == Cut::kNone; }
  // New connections are closed at once while it is false.
  void let_in(bool is_open) { is_open_ = is_open; }

 private:
  void accept_connections();
  void carry(Fd client, int cuts);
  // True: the connection goes on.
  bool carry_to_server(int client, int server, Cut& cut);
  bool carry_to_client(int client, int server, Cut cut);

  const int server_port_;
  int port_ = 0;
  Fd listener_;
  std::atomic<bool> is_running_{true};
  std::atomic<bool> is_open_{true};
  std::atomic<int> cuts_{0};  // a connection ends when it grows
  std::atomic<Cut> next_cut_{Cut::kNone};
  std::mutex mutex_;
  std::vector<NamedThread> carriers_;
  NamedThread acceptor_;
};

}  // namespace dynflow::persistence
