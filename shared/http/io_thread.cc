#include "shared/http/io_thread.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "shared/base/wiped_memory.h"
#include "shared/http/message.h"
#include "shared/log/log.h"

namespace dynflow::http {
namespace {

// Tags of listeners are small numbers, those of connections are addresses.
constexpr std::uint64_t kMaxListeners = 4096;
constexpr int kAcceptBatch = 64;
// After our goodbye the client has this long, and this many bytes, to read it and go.
constexpr std::chrono::milliseconds kLingerTime{2'000};
constexpr std::size_t kLingerBytes = 1024 * 1024;
constexpr std::chrono::milliseconds kShortestSweep{5};
constexpr std::chrono::milliseconds kLongestSweep{500};

std::chrono::milliseconds sweep_interval(const ServerOptions& options) {
  const auto shortest = std::min({options.handshake_deadline, options.head_deadline, options.body_deadline,
                                  options.idle_deadline, kLingerTime});
  return std::clamp(shortest / 8, kShortestSweep, kLongestSweep);
}

std::uint64_t tag_of(ServedConnection& connection) { return reinterpret_cast<std::uintptr_t>(&connection); }

}  // namespace

bool ConnectionCount::enter(const std::string& peer) {
  const std::lock_guard lock(mutex_);
  if (total_ >= max_total_) return false;
  std::size_t& own = per_peer_[peer];
  if (own >= max_per_peer_) return false;
  ++own;
  ++total_;
  return true;
}

void ConnectionCount::leave(const std::string& peer) {
  const std::lock_guard lock(mutex_);
  --total_;
  const auto found = per_peer_.find(peer);
  if (--found->second == 0) per_peer_.erase(found);
}

std::size_t ConnectionCount::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

IoThread::~IoThread() {
  cut();
  thread_.join();
}

Status IoThread::start() {
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    auto added = poller_.add(listeners_[i].socket.fd.get(), net::kReadable | net::kExclusive, i);
    if (!added) return added;
  }
  is_listening_ = true;
  thread_ = NamedThread("http-io", [this] { run(); });
  return {};
}

void IoThread::drain(Server::Latecomers latecomers) {
  if (is_draining()) return;
  accepts_latecomers_.store(latecomers == Server::Latecomers::kRefused);
  is_draining_.store(true);
  poller_.wake();
}

bool IoThread::has_turned() {
  if (is_asked_to_turn_.exchange(true) && thread_.is_running()) {
    const std::lock_guard lock(end_mutex_);
    if (!has_ended_) return false;
  }
  poller_.wake();
  return true;
}

bool IoThread::may_accept() const {
  return !is_draining() || (accepts_latecomers_.load(std::memory_order_relaxed) && !is_cut() && connections_.size() > late_);
}

void IoThread::cut() {
  is_cut_.store(true);
  drain(Server::Latecomers::kWait);
  poller_.wake();
}

void IoThread::run() {
  bool has_drained = false;
  bool has_cut = false;
  const auto interval = sweep_interval(options_);
  for (;;) {
    is_asked_to_turn_.store(false, std::memory_order_relaxed);
    if (is_draining()) {
      watch_listeners(may_accept());
      if (connections_.empty()) break;
    }
    const bool needs_sweep = !connections_.empty() || (!is_listening_ && !is_draining());
    const bool needs_tick = workers_.relieve();
    const auto events = poller_.wait(needs_tick    ? static_cast<int>(WorkerPool::kTick.count())
                                     : needs_sweep ? static_cast<int>(interval.count())
                                                   : -1);
    for (const net::Poller::Event& event : events) {
      if (event.tag < kMaxListeners) {
        accept_all(static_cast<std::size_t>(event.tag));
      } else {
        handle(*reinterpret_cast<ServedConnection*>(static_cast<std::uintptr_t>(event.tag)));
      }
    }
    if (is_draining() && !has_drained) {
      has_drained = true;
      drains_since_ = system_clock().instant();
      next_sweep_ = {};
    }
    if (is_cut() && !has_cut) {
      has_cut = true;
      for (auto& [connection, owned] : connections_) connection->io.cut();
    }
    if (const Instant now = system_clock().instant(); now >= next_sweep_) {
      next_sweep_ = now + interval;
      sweep();
    }
  }
  {
    const std::lock_guard lock(end_mutex_);
    has_ended_ = true;
  }
  end_.notify_all();
}

void IoThread::wait_for_end(Deadline deadline) {
  std::unique_lock lock(end_mutex_);
  if (!thread_.is_running()) return;
  end_.wait_until(lock, deadline.when(), [this] { return has_ended_; });
}

void IoThread::watch_listeners(bool on) {
  if (is_listening_ == on) return;
  is_listening_ = on;
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    const int fd = listeners_[i].socket.fd.get();
    if (!on) {
      poller_.remove(fd);
    } else if (auto added = poller_.add(fd, net::kReadable | net::kExclusive, i); !added) {
      log::error({}, "listener lost: {}", added.error().message());
    }
  }
}

std::mutex& IoThread::hand_over_lock(const ServedConnection& connection) {
  return hand_over_locks_[(reinterpret_cast<std::uintptr_t>(&connection) / sizeof(ServedConnection)) % hand_over_locks_.size()];
}

void IoThread::accept_all(std::size_t index) {
  const Listener& listener = listeners_[index];
  for (int i = 0; i < kAcceptBatch && may_accept(); ++i) {
    auto accepted = net::accept_from(listener.socket.fd.get());
    if (accepted) {
      admit(std::move(*accepted), listener);
      continue;
    }
    if (accepted.error().code() == Code::kFailed) continue;
    if (accepted.error().code() == Code::kUnavailable) {
      // Out of descriptors: the socket stays readable, so looking away until the next sweep avoids spinning.
      log::error({}, "cannot accept connections: {}", accepted.error().message());
      watch_listeners(false);
    }
    return;
  }
}

void IoThread::admit(net::AcceptedSocket accepted, const Listener& listener) {
  if (!count_.enter(accepted.peer.address)) {
    log::debug({}, "connection from {} refused: too many", accepted.peer.address);
    if (!listener.tls) {
      constexpr std::string_view kAnswer =
          "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
      // Best effort: the connection is closed either way.
      (void)::send(accepted.fd.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    return;
  }
  auto owned = std::make_unique<ServedConnection>(std::move(accepted.fd), *this, options_, accepted.peer.address,
                                                  static_cast<bool>(listener.tls));
  ServedConnection& connection = *owned;
  connections_.emplace(&connection, std::move(owned));
  connection.is_late = is_draining() && accepts_latecomers_.load(std::memory_order_relaxed);
  if (connection.is_late) ++late_;
  if (listener.tls) {
    const auto context = listener.tls();
    if (!context) {
      destroy(connection);
      return;
    }
    connection.io.set_tls(context->session(connection.io.fd()));
  }
  connection.set_deadline(connection.is_late ? kLingerTime : listener.tls ? options_.handshake_deadline : options_.head_deadline);
  connection.rest.store(Rest::kFresh, std::memory_order_relaxed);
  if (!poller_.add(connection.io.fd(), net::kReadable | net::kPeerClosed | net::kOneShot, tag_of(connection))) {
    destroy(connection);
  }
}

void IoThread::handle(ServedConnection& connection) {
  { const std::lock_guard taken(hand_over_lock(connection)); }
  connection.rest.store(Rest::kNone, std::memory_order_relaxed);
  if (connection.phase == Phase::kClosed) return destroy(connection);
  if (connection.phase == Phase::kLingering) return linger(connection);
  const Intake intake = connection.advance(scratch_);
  // Passwords come in bodies, and the dynamic linker keeps registers on the stack when it binds a function.
  if (connection.head.body != BodyKind::kNone) wipe_unused_stack();
  switch (intake.kind) {
    case Intake::Kind::kWait: return park(connection, intake.io);
    case Intake::Kind::kClose: return destroy(connection);
    case Intake::Kind::kReject: return refuse(connection, intake.reject.status, intake.reject.reason, {});
    case Intake::Kind::kRequest: break;
  }
  if (connection.is_late) return refuse(connection, 503, kStopping, kRetrySoon);
  connection.clear_deadline();
  if (workers_.try_push(connection)) return;
  workers_.count_refusal();
  refuse(connection, 503, kFullQueue, kRetrySoon);
}

void IoThread::refuse(ServedConnection& connection, int status, std::string_view reason, std::string_view extra) {
  const Response response = error_response(status, reason);
  const std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n", status,
      reason_phrase(status), response.body.size(), extra);
  // A client that does not even take these bytes at once does without them.
  (void)connection.io.write_some(head, response.body);
  connection.io.finish_sending();
  connection.phase = Phase::kLingering;
  connection.clear_deadline();
  park(connection, net::IoState::kWantRead);
}

void IoThread::linger(ServedConnection& connection) {
  // Closing with unread bytes would send a reset, which can destroy our answer before the client has read it.
  for (;;) {
    const auto got = ::recv(connection.io.fd(), scratch_.data(), scratch_.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return park(connection, net::IoState::kWantRead);
    if (got <= 0) return destroy(connection);
    connection.dropped += static_cast<std::size_t>(got);
    if (connection.dropped > kLingerBytes) return destroy(connection);
  }
}

void IoThread::park(ServedConnection& connection, net::IoState state) {
  // A wait that began earlier, such as for the rest of a head, keeps its deadline.
  if (connection.deadline_ns.load(std::memory_order_relaxed) == ServedConnection::kNever) {
    connection.set_deadline(connection.phase == Phase::kLingering ? kLingerTime
                            : connection.is_idle()                ? options_.idle_deadline
                                                                  : options_.head_deadline);
  }
  if (connection.is_idle()) {
    connection.shrink_buffers();
    connection.rest.store(connection.has_served ? Rest::kIdle : Rest::kFresh, std::memory_order_relaxed);
  }
  const bool wants_event_now = connection.phase == Phase::kClosed || state == net::IoState::kWantWrite;
  const std::uint32_t events = wants_event_now ? net::kWritable : net::kReadable | net::kPeerClosed;
  const std::lock_guard lock(hand_over_lock(connection));
  // The last access: from here on the I/O thread may destroy the connection.
  const auto armed = poller_.modify(connection.io.fd(), events | net::kOneShot, tag_of(connection));
  if (!armed) log::error({}, "connection lost: {}", armed.error().message());
}

void IoThread::destroy(ServedConnection& connection) {
  if (connection.phase != Phase::kClosed && connection.phase != Phase::kLingering) connection.io.finish_sending();
  count_.leave(connection.peer.address);
  if (connection.is_late) --late_;
  connections_.erase(&connection);
}

void IoThread::sweep() {
  if (may_accept()) watch_listeners(true);
  const std::int64_t now = ServedConnection::ns_after(std::chrono::milliseconds(0));
  const std::int64_t fresh_until = std::chrono::nanoseconds(drains_since_.time_since_epoch() + kLingerTime).count();
  for (auto& [connection, owned] : connections_) {
    char byte;
    // Bytes that are already here belong to a request that still gets its answer.
    const Rest rest = connection->rest.load(std::memory_order_relaxed);
    const bool is_leaving = is_draining() && (rest == Rest::kIdle || (rest == Rest::kFresh && now >= fresh_until)) &&
                            ::recv(connection->io.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
    // Only cut, not destroyed: a worker may be about to hand it over. The event that follows destroys it.
    if (is_leaving || connection->deadline_ns.load(std::memory_order_relaxed) <= now) connection->io.cut();
  }
}

}  // namespace dynflow::http
