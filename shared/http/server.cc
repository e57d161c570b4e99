#include "shared/http/server.h"

#include <algorithm>

#include "shared/base/ids.h"
#include "shared/base/wiped_memory.h"
#include "shared/http/engine.h"
#include "shared/http/io_thread.h"
#include "shared/http/request_body.h"
#include "shared/http/served_connection.h"
#include "shared/http/worker_pool.h"
#include "shared/net/socket.h"

namespace dynflow::http {
namespace {

// A worker that has answered stays with its connection this long when nothing else is to be done: the next request
// of a busy client then costs no hand-over.
constexpr std::chrono::milliseconds kStay{3};
// Identifiers of clients end up in logs and stored plans.
constexpr std::size_t kMaxIdentifier = 128;

std::string identifier(const Headers& headers, std::string_view name) {
  const auto sent = headers.get(name);
  if (sent && !sent->empty() && sent->size() <= kMaxIdentifier) return std::string(*sent);
  return system_ids().uuid();
}

Request make_request(ServedConnection& connection) {
  Request request;
  request.method = std::move(connection.head.method);
  request.target = std::move(connection.head.target);
  const std::string_view target = request.target;
  const std::size_t question = target.find('?');
  request.path = percent_decode(target.substr(0, question));
  request.has_query = question != std::string_view::npos;
  if (request.has_query) request.query = target.substr(question + 1);
  request.headers = std::move(connection.head.headers);
  request.peer = connection.peer;
  request.request_id = identifier(request.headers, "X-Request-Id");
  request.session_id = identifier(request.headers, "X-Session-Id");
  request.local_address = connection.local_address;
  request.deadline = Deadline::after(connection.options.request_deadline);
  request.body = std::make_unique<RequestBody>(connection);
  return request;
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(ServerOptions options)
      : options_(std::move(options)), count_(options_.max_connections, options_.max_connections_per_peer) {}
  ~Impl() { stop(Deadline::after(Duration::zero())); }

  Status start(Handler handler);
  void drain(Latecomers latecomers, Deadline deadline);
  bool has_turned();
  void stop(Deadline deadline);
  const std::vector<std::uint16_t>& ports() const { return ports_; }
  Load load() const;

 private:
  Status open_listeners();
  void serve(ServedConnection& connection);
  bool serve_one(ServedConnection& connection);
  void close(ServedConnection& connection, bool is_broken);
  bool stays_for_next(ServedConnection& connection) const;

  ServerOptions options_;
  ConnectionCount count_;
  std::vector<Listener> listeners_;
  std::vector<std::uint16_t> ports_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<WorkerPool> workers_;
  std::vector<std::unique_ptr<IoThread>> io_threads_;
};

Status Server::Impl::open_listeners() {
  for (ListenerOptions& wanted : options_.listeners) {
    if (wanted.adopted) {
      auto adopted = net::adopt_listener(std::move(wanted.adopted));
      if (!adopted) return adopted.error();
      ports_.push_back(adopted->bound.port);
      listeners_.push_back({std::move(*adopted), wanted.tls});
      continue;
    }
    auto opened = net::listen_on(wanted.address, wanted.port);
    if (!opened) return opened.error();
    ports_.push_back(opened->front().bound.port);
    for (net::ListeningSocket& socket : *opened) listeners_.push_back({std::move(socket), wanted.tls});
  }
  return {};
}

Status Server::Impl::start(Handler handler) {
  if (engine_) return Error(Code::kInvalid, "the HTTP server was started before");
  if (auto opened = open_listeners(); !opened) return opened;
  engine_ = std::make_unique<Engine>(std::move(handler), options_.server_header);
  workers_ = std::make_unique<WorkerPool>(WorkerPool::Limits{options_.max_workers, options_.max_background_workers, options_.max_queue},
                                          [this](ServedConnection& connection) { serve(connection); });
  for (std::size_t i = 0; i < std::max<std::size_t>(options_.io_threads, 1); ++i) {
    auto poller = net::Poller::open();
    if (!poller) return poller.error();
    io_threads_.push_back(std::make_unique<IoThread>(std::move(*poller), options_, listeners_, count_, *workers_));
  }
  for (const auto& io : io_threads_) {
    if (auto started = io->start(); !started) return started;
  }
  return {};
}

void Server::Impl::drain(Latecomers latecomers, Deadline deadline) {
  for (const auto& io : io_threads_) io->drain(latecomers);
  for (const auto& io : io_threads_) io->wait_for_end(deadline);
  for (const auto& io : io_threads_) io->refuse_rest();
}

bool Server::Impl::has_turned() {
  bool have_all = true;
  for (const auto& io : io_threads_) have_all = io->has_turned() && have_all;
  return have_all;
}

void Server::Impl::stop(Deadline deadline) {
  for (const auto& io : io_threads_) io->drain(Latecomers::kWait);
  for (const auto& io : io_threads_) io->wait_for_end(deadline);
  for (const auto& io : io_threads_) io->cut();
  // Workers first: they hand their connections back to the I/O threads.
  if (workers_) workers_->stop();
  io_threads_.clear();
  listeners_.clear();
}

// Runs on a worker: one request, and those that follow on the same connection without a wait.
void Server::Impl::serve(ServedConnection& connection) {
  const Lane lane = connection.lane;
  for (;;) {
    const bool has_body = connection.head.body != BodyKind::kNone;
    const bool goes_on = serve_one(connection);
    // Passwords come in bodies.
    if (has_body) wipe_unused_stack();
    if (!goes_on) return;
    if (!connection.has_input() && !stays_for_next(connection)) return connection.owner.park(connection, net::IoState::kWantRead);
    char scratch[kReadSize];
    const Intake intake = connection.advance(scratch);
    switch (intake.kind) {
      case Intake::Kind::kRequest: break;
      case Intake::Kind::kWait: return connection.owner.park(connection, intake.io);
      case Intake::Kind::kReject: return connection.owner.refuse(connection, intake.reject.status, intake.reject.reason, {});
      case Intake::Kind::kClose: return close(connection, false);
    }
    connection.clear_deadline();
    // Others have waited longer than this connection's next request, or it needs another place than this one.
    const bool is_same_lane = connection.lane == lane;
    if (is_same_lane && !workers_->is_anybody_ahead(lane)) continue;
    if (workers_->try_push(connection)) return;
    if (!is_same_lane) {
      workers_->count_refusal();
      return connection.owner.refuse(connection, 503, kFullQueue, kRetrySoon);
    }
  }
}

// False: the connection was handed over or closed.
bool Server::Impl::serve_one(ServedConnection& connection) {
  if (connection.owner.is_cut()) {
    close(connection, true);
    return false;
  }
  if (connection.owner.refuses_rest()) {
    connection.owner.refuse(connection, 503, kStopping, kRetrySoon);
    return false;
  }
  const bool keep_alive = connection.head.keep_alive;
  const bool is_http_10 = connection.head.is_http_10;
  Engine::Job job{make_request(connection), connection.io, options_.write_deadline, is_http_10, [&connection, keep_alive] {
                    // A body that is not here yet will not be waited for.
                    return !keep_alive || connection.must_close || connection.owner.is_draining() ||
                           !connection.can_finish_request();
                  }};
  const Engine::Outcome outcome = engine_->run(job);
  job.request.body.reset();
  if (outcome == Engine::Outcome::kKeepAlive && connection.finish_request()) return true;
  close(connection, outcome == Engine::Outcome::kBroken);
  return false;
}

void Server::Impl::close(ServedConnection& connection, bool is_broken) {
  if (is_broken) {
    connection.io.cut_with_reset();
    connection.phase = Phase::kClosed;
  } else {
    const bool may_get_more = connection.has_input() || !connection.framing.is_complete();
    connection.io.finish_sending();
    connection.phase = may_get_more ? Phase::kLingering : Phase::kClosed;
  }
  connection.owner.park(connection, net::IoState::kWantRead);
}

bool Server::Impl::stays_for_next(ServedConnection& connection) const {
  if (connection.owner.is_draining() || !workers_->may_stay()) return false;
  const bool has_more = connection.io.wait(net::IoState::kWantRead, Deadline::after(kStay)).ok();
  workers_->end_stay();
  return has_more;
}

Server::Load Server::Impl::load() const {
  Load load;
  load.connections = count_.total();
  load.queue_capacity = options_.max_queue;
  load.workers_max = options_.max_workers;
  if (workers_) load.queued = workers_->queued();
  if (workers_) load.workers = workers_->workers();
  if (workers_) load.refused = workers_->refused();
  return load;
}

Server::Server(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() = default;
Status Server::start(Handler handler) { return impl_->start(std::move(handler)); }
void Server::drain(Latecomers latecomers, Deadline deadline) { impl_->drain(latecomers, deadline); }
bool Server::has_turned() { return impl_->has_turned(); }
void Server::stop(Deadline deadline) { impl_->stop(deadline); }
const std::vector<std::uint16_t>& Server::ports() const { return impl_->ports(); }
Server::Load Server::load() const { return impl_->load(); }

}  // namespace dynflow::http
