// Everything of the server that waits for the network without holding a worker: accepting, handshakes, heads, small
// bodies, idle connections, goodbyes, deadlines.
//
// Threads: a thread of its own; park() and the stop functions from any thread.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "shared/base/thread.h"
#include "shared/http/served_connection.h"
#include "shared/http/server.h"
#include "shared/http/worker_pool.h"
#include "shared/net/poller.h"

namespace dynflow::http {

struct Listener {
  net::ListeningSocket socket;
  TlsProvider tls;
};

// How many connections there are, in all and from each address. Shared by the I/O threads.
class ConnectionCount {
 public:
  ConnectionCount(std::size_t max_total, std::size_t max_per_peer) : max_total_(max_total), max_per_peer_(max_per_peer) {}
  // False when one of the limits is reached.
  bool enter(const std::string& peer);
  void leave(const std::string& peer);
  std::size_t total() const;

 private:
  const std::size_t max_total_;
  const std::size_t max_per_peer_;
  mutable std::mutex mutex_;
  std::size_t total_ = 0;
  std::unordered_map<std::string, std::size_t> per_peer_;
};

class IoThread {
 public:
  IoThread(net::Poller poller, const ServerOptions& options, const std::vector<Listener>& listeners,
           ConnectionCount& count, WorkerPool& workers)
      : poller_(std::move(poller)), options_(options), listeners_(listeners), count_(count), workers_(workers) {}
  ~IoThread();

  Status start();
  // Idle connections are closed, the thread ends when the last connection is gone. Connections that come meanwhile wait, or are
  // accepted as long as one from before is left, and refused. A second call changes nothing.
  void drain(Server::Latecomers latecomers);
  // Requests that no handler has begun with are refused from now on.
  void refuse_rest() { refuses_rest_.store(true, std::memory_order_relaxed); }
  bool refuses_rest() const { return refuses_rest_.load(std::memory_order_relaxed); }
  // True when the thread has turned round since the last call, or is over; asks it to turn again.
  bool has_turned();
  // Every connection is cut.
  void cut();
  // Returns when the last connection is gone, or at the deadline.
  void wait_for_end(Deadline deadline);

  // Gives a connection back: it is the I/O thread's from here on. `state` tells what it waits for; a connection in
  // phase kClosed or kLingering is closed, idle ones get the idle deadline.
  void park(ServedConnection& connection, net::IoState state);
  // Answers with an error of ours, says goodbye and parks. `extra` is whole header lines. For the present owner.
  void refuse(ServedConnection& connection, int status, std::string_view reason, std::string_view extra = {});
  bool is_draining() const { return is_draining_.load(std::memory_order_relaxed); }
  bool is_cut() const { return is_cut_.load(std::memory_order_relaxed); }

 private:
  void run();
  void accept_all(std::size_t listener);
  void admit(net::AcceptedSocket accepted, const Listener& listener);
  void handle(ServedConnection& connection);
  void linger(ServedConnection& connection);
  void destroy(ServedConnection& connection);
  void sweep();
  void watch_listeners(bool on);
  bool may_accept() const;
  std::mutex& hand_over_lock(const ServedConnection& connection);

  net::Poller poller_;
  const ServerOptions& options_;
  const std::vector<Listener>& listeners_;
  ConnectionCount& count_;
  WorkerPool& workers_;
  std::unordered_map<ServedConnection*, std::unique_ptr<ServedConnection>> connections_;
  std::vector<char> scratch_ = std::vector<char>(kReadSize);
  // Held while a connection is handed back and taken: epoll alone is no synchronisation in C++. Outside of the
  // connection, which may be gone before the unlock returns; several, so that workers seldom meet.
  std::array<std::mutex, 8> hand_over_locks_;
  bool is_listening_ = false;
  Instant next_sweep_{};
  Instant drains_since_{};
  std::size_t late_ = 0;  // of connections_: came while draining
  std::atomic<bool> is_draining_{false};
  std::atomic<bool> accepts_latecomers_{false};
  std::atomic<bool> refuses_rest_{false};
  std::atomic<bool> is_asked_to_turn_{false};
  std::atomic<bool> is_cut_{false};
  std::mutex end_mutex_;
  std::condition_variable end_;
  bool has_ended_ = false;  // true when run() is over; under end_mutex_
  NamedThread thread_;
};

inline constexpr std::string_view kFullQueue = "too many requests wait already";
inline constexpr std::string_view kStopping = "the server is stopping";
inline constexpr std::string_view kRetrySoon = "Retry-After: 1\r\n";

}  // namespace dynflow::http
