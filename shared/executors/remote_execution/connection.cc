#include "shared/executors/remote_execution/connection.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <libssh/server.h>  // ssh_execute_message_callbacks, ssh_send_keepalive
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "shared/base/fd.h"
#include "shared/executors/remote_execution/known_hosts.h"
#include "shared/executors/remote_execution/lookup.h"
#include "shared/executors/remote_execution/session_setup.h"
#include "shared/executors/remote_execution/ssh_channel.h"
#include "shared/log/log.h"

namespace dynflow::remote_execution {
namespace {

// libssh reads at most this much at a time; less means that the socket is empty.
constexpr std::uint64_t kReadSize = 4096;
// Output handed out at least every so many reads, so that one talkative host does not keep the loop.
constexpr int kReadsPerTurn = 64;
constexpr Duration kFirstRetry = std::chrono::milliseconds(200);

// Sockets have numbers of their own, not used again while the socket is there.
std::uint64_t inode_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? info.st_ino : 0;
}

}  // namespace

class Connection::Session : public std::enable_shared_from_this<Connection::Session> {
 public:
  Session(net::EventLoop& loop, ConnectionServices services, ConnectionOptions options, Callbacks callbacks)
      : loop_(loop),
        services_(services),
        options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        way_back_(std::make_shared<ReturnPath>(loop)) {}

  void open();
  ChannelId start_channel(ChannelRequest request);
  void write(ChannelId id, std::string_view bytes);
  void drop_channel(ChannelId id);
  void hold(bool is_held);
  void close();

 private:
  enum class State {
    kIdle,       // before open(), or in the queue for a handshake
    kLookup,     // a background thread works
    kTcp,        // connect(2) is under way
    kPause,      // before another attempt
    kHandshake,  // ssh_connect
    kHostKey,    // a background thread writes known_hosts
    kAuth,
    kOpen,
    kClosed,
  };
  enum class Method { kPassword, kCertificate, kKey };

  void begin();
  void looked_up(Lookup lookup);
  void connect_next();
  void tcp_failed(int error);
  void begin_handshake();
  void on_io();
  void step();
  void handshake_failed();
  void check_host_key();
  void begin_authentication();
  void authenticate();
  int try_method(Method method);
  void opened();
  void step_soon();
  void pump();
  bool deliver();
  void keep_alive();
  void retry_or_fail(std::string text);
  void watch_session();
  void drop_session();
  void arm(Duration span, std::function<void()> task);
  // Before authentication: the same text for each method that would have been tried.
  void fail_all(const std::string& text);
  // With what each method met.
  void fail_methods();
  void fail(std::string text);
  void lose(std::string why);
  std::vector<std::string> method_names() const;
  std::string connect_text(std::string_view reason) const {
    return fmt::format("ssh: connect to host {} port {}: {}\r\n", options_.host, options_.port, reason);
  }

  net::EventLoop& loop_;
  const ConnectionServices services_;
  ConnectionOptions options_;
  Callbacks callbacks_;
  const std::shared_ptr<ReturnPath> way_back_;  // owners: this, and background tasks

  State state_ = State::kIdle;
  ConnectGate::Ticket ticket_;
  net::EventLoop::TimerId timer_ = 0;
  net::EventLoop::WatchId watch_ = 0;
  int retries_left_ = 0;

  std::string host_;  // after ssh_config
  std::string known_hosts_;
  std::vector<Address> addresses_;
  std::size_t next_address_ = 0;
  std::string last_tcp_error_;
  Fd socket_;
  std::uint64_t socket_inode_ = 0;  // tells whether the descriptor is still that socket
  SessionPtr session_;
  ssh_counter_struct counter_{};

  std::shared_ptr<const Identity> identity_;
  std::string key_error_;
  std::vector<Method> methods_;  // still to be tried, the current one first
  std::vector<std::string> method_names_;
  std::map<std::string, std::string> method_errors_;

  std::map<ChannelId, std::unique_ptr<SshChannel>> channels_;
  ChannelId next_channel_ = 1;
  bool is_step_posted_ = false;
  std::uint64_t bytes_at_last_tick_ = 0;
  int silent_ticks_ = 0;
  bool is_held_ = false;
};

void Connection::Session::open() {
  retries_left_ = options_.retries;
  ticket_ = services_.gate.queue(loop_, [self = shared_from_this()] {
    if (self->state_ == State::kIdle) self->begin();
  });
}

void Connection::Session::arm(Duration span, std::function<void()> task) {
  loop_.cancel(timer_);
  timer_ = loop_.run_after(span, [weak = weak_from_this(), task = std::move(task)] {
    if (const auto self = weak.lock()) {
      self->timer_ = 0;
      task();
    }
  });
}

void Connection::Session::begin() {
  Result<ConfiguredSession> configured =
      configure_session(options_.host, options_.port, options_.user, options_.strict_known_hosts);
  if (!configured) {
    method_names_ = method_names();
    fail_all(fmt::format("{}\r\n", configured.error().message()));
    return;
  }
  host_ = configured->host;
  known_hosts_ = configured->known_hosts;
  LookupRequest request;
  request.host = host_;
  request.port = options_.port;
  request.wants_addresses = configured->proxy_command.empty();
  request.key_file = options_.key_file;
  request.passphrase = options_.passphrase;
  if (options_.forgets_host_key && options_.strict_known_hosts.empty()) request.forget_in = known_hosts_;
  session_ = std::move(configured->session);
  state_ = State::kLookup;
  arm(options_.connect_timeout, [this] {
    method_names_ = method_names();
    fail_all(fmt::format("ssh: Could not resolve hostname {}: Temporary failure in name resolution\r\n", options_.host));
  });
  services_.background.run([request = std::move(request), &keys = services_.keys, way_back = way_back_,
                            weak = weak_from_this()] {
    if (way_back->is_cut()) return;
    auto lookup = std::make_shared<Lookup>(look_up(request, keys));
    way_back->post([weak, lookup] {
      const auto self = weak.lock();
      if (self != nullptr && self->state_ == State::kLookup) self->looked_up(std::move(*lookup));
    });
  });
}

std::vector<std::string> Connection::Session::method_names() const {
  std::vector<std::string> names;
  if (!options_.password.empty()) names.emplace_back("password");
  names.emplace_back("publickey");
  return names;
}

void Connection::Session::looked_up(Lookup lookup) {
  if (!lookup.forget_error.empty()) {
    log::warn({.task_id = options_.task_id}, "cannot forget the old key of {}: {}", host_, lookup.forget_error);
  }
  method_names_ = method_names();
  if (lookup.key.needs_passphrase) method_names_.pop_back();
  if (method_names_.empty()) {
    fail("There are no available authentication methods");
    return;
  }
  identity_ = std::move(lookup.key.identity);
  key_error_ = std::move(lookup.key.error);
  if (!lookup.resolve_error.empty()) {
    fail_all(fmt::format("ssh: Could not resolve hostname {}: {}\r\n", options_.host, lookup.resolve_error));
    return;
  }
  addresses_ = std::move(lookup.addresses);
  connect_next();
}

void Connection::Session::connect_next() {
  if (addresses_.empty()) {  // ssh_config's ProxyCommand
    begin_handshake();
    return;
  }
  const Address& address = addresses_[next_address_];
  state_ = State::kTcp;
  // One dead address must not use up the time of the others.
  arm(options_.connect_timeout / static_cast<int>(addresses_.size()), [this] { tcp_failed(ETIMEDOUT); });
  socket_.reset(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_) {
    tcp_failed(errno);
    return;
  }
  socket_inode_ = inode_of(socket_.get());
  const int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0 &&
      errno != EINPROGRESS) {
    tcp_failed(errno);
    return;
  }
  const auto watch = loop_.watch(socket_.get(), net::kWritable, [weak = weak_from_this()](std::uint32_t) {
    if (const auto self = weak.lock()) self->on_io();
  });
  if (!watch) {
    tcp_failed(EMFILE);
    return;
  }
  watch_ = *watch;
}

void Connection::Session::tcp_failed(int error) {
  drop_session();
  last_tcp_error_ = connect_text(std::strerror(error));
  if (++next_address_ < addresses_.size()) {
    connect_next();
    return;
  }
  next_address_ = 0;
  if (error == ECONNRESET || error == EMFILE || error == ENFILE) {
    retry_or_fail(last_tcp_error_);
  } else {
    fail_all(last_tcp_error_);
  }
}

void Connection::Session::retry_or_fail(std::string text) {
  drop_session();
  if (retries_left_ == 0) {
    fail_all(text);
    return;
  }
  const int attempt = options_.retries - retries_left_--;
  log::debug({.task_id = options_.task_id}, "another attempt to connect to {} after: {}", options_.host, text);
  state_ = State::kPause;
  arm(kFirstRetry * (1 << attempt), [this] { connect_next(); });
}

void Connection::Session::begin_handshake() {
  if (session_ == nullptr) {
    Result<ConfiguredSession> configured =
        configure_session(options_.host, options_.port, options_.user, options_.strict_known_hosts);
    if (!configured) {
      fail_all(configured.error().message());
      return;
    }
    session_ = std::move(configured->session);
  }
  if (socket_) {
    socket_t fd = socket_.get();
    ssh_options_set(session_.get(), SSH_OPTIONS_FD, &fd);
  }
  ssh_set_blocking(session_.get(), 0);
  ssh_set_counters(session_.get(), &counter_, nullptr);
  state_ = State::kHandshake;
  arm(options_.connect_timeout, [this] { fail_all(connect_text("Connection timed out")); });
  step();
}

void Connection::Session::on_io() {
  if (state_ != State::kTcp) {
    step();
    return;
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    tcp_failed(error);
    return;
  }
  loop_.unwatch(std::exchange(watch_, 0));
  begin_handshake();
}

void Connection::Session::step() {
  const auto self = shared_from_this();
  if (state_ == State::kHandshake) {
    const int code = ssh_connect(session_.get());
    if (code == SSH_ERROR) {
      handshake_failed();
    } else if (code == SSH_OK) {
      check_host_key();
    }
  }
  if (state_ == State::kAuth) authenticate();
  if (state_ == State::kOpen) pump();
  if (state_ == State::kHandshake || state_ == State::kAuth || state_ == State::kOpen) watch_session();
}

void Connection::Session::watch_session() {
  // libssh keeps what the socket did not take, and goes on only when called: without waiting for writability the session would hang.
  const bool wants_write = (ssh_get_poll_flags(session_.get()) & SSH_WRITE_PENDING) != 0;
  const bool wants_read = !is_held_ || state_ != State::kOpen;
  const std::uint32_t events = (wants_read ? net::kReadable : 0) | (wants_write ? net::kWritable : 0);
  if (watch_ != 0) {
    loop_.rewatch(watch_, events);
    return;
  }
  const auto watch = loop_.watch(ssh_get_fd(session_.get()), events, [weak = weak_from_this()](std::uint32_t) {
    if (const auto self = weak.lock()) self->on_io();
  });
  if (watch) {
    watch_ = *watch;
  } else {
    fail_all(connect_text(watch.error().message()));
  }
}

void Connection::Session::handshake_failed() {
  const std::string reason = ssh_get_error(session_.get());
  const std::string text = fmt::format("ssh: {} port {}: {}\r\n", options_.host, options_.port, reason);
  // The server's side went away: an overflowing queue of a busy host or bastion. Everything else would be the same again.
  const bool is_reset = reason.find("reset by peer") != std::string::npos ||
                        reason.find("disconnected") != std::string::npos || reason.find("Broken pipe") != std::string::npos;
  if (is_reset) {
    retry_or_fail(text);
  } else {
    fail_all(text);
  }
}

void Connection::Session::check_host_key() {
  const HostKeyVerdict verdict = judge_host_key(session_.get(), options_.host, !options_.strict_known_hosts.empty());
  if (verdict.verdict == HostKey::kRefused) {
    fail_all(verdict.text);
    return;
  }
  if (verdict.verdict == HostKey::kKnown) {
    begin_authentication();
    return;
  }
  state_ = State::kHostKey;
  if (watch_ != 0) loop_.unwatch(std::exchange(watch_, 0));
  services_.background.run([path = known_hosts_, line = verdict.text, way_back = way_back_, weak = weak_from_this()] {
    if (way_back->is_cut()) return;
    std::string error;
    if (Status added = add_line(path, line); !added) error = added.error().message();
    way_back->post([weak, error] {
      const auto self = weak.lock();
      if (self == nullptr || self->state_ != State::kHostKey) return;
      if (!error.empty()) {
        // As OpenSSH does: the host is new the next time again.
        log::warn({.task_id = self->options_.task_id}, "cannot remember the key of {}: {}", self->host_, error);
      }
      self->begin_authentication();
      self->step();
    });
  });
}

void Connection::Session::begin_authentication() {
  state_ = State::kAuth;
  methods_.clear();
  if (!options_.password.empty()) methods_.push_back(Method::kPassword);
  if (identity_ != nullptr) {
    if (identity_->certified_key != nullptr) methods_.push_back(Method::kCertificate);
    methods_.push_back(Method::kKey);
  } else if (!key_error_.empty()) {
    method_errors_["publickey"] = key_error_ + "\r\n";
  }
}

int Connection::Session::try_method(Method method) {
  switch (method) {
    case Method::kPassword: return ssh_userauth_password(session_.get(), nullptr, options_.password.reveal_c_str());
    case Method::kCertificate: return ssh_userauth_publickey(session_.get(), nullptr, identity_->certified_key.get());
    case Method::kKey: return ssh_userauth_publickey(session_.get(), nullptr, identity_->key.get());
  }
  return SSH_AUTH_ERROR;
}

void Connection::Session::authenticate() {
  while (!methods_.empty()) {
    const Method method = methods_.front();
    const std::string name = method == Method::kPassword ? "password" : "publickey";
    const int code = try_method(method);
    if (code == SSH_AUTH_AGAIN) return;
    if (code == SSH_AUTH_SUCCESS) {
      opened();
      return;
    }
    if (code == SSH_AUTH_ERROR && !ssh_is_connected(session_.get())) {
      method_errors_[name] = fmt::format("{}\r\n", ssh_get_error(session_.get()));
      break;
    }
    method_errors_[name] = code == SSH_AUTH_ERROR ? fmt::format("{}\r\n", ssh_get_error(session_.get()))
                                                  : denied_text(session_.get(), options_.user, options_.host);
    methods_.erase(methods_.begin());
  }
  fail_methods();
}

void Connection::Session::fail_methods() {
  std::string text = "Could not establish connection to remote host using any available authentication method, tried ";
  for (const std::string& name : method_names_) text += fmt::format("{}{}", &name == &method_names_.front() ? "" : ", ", name);
  text += "\n";
  for (const std::string& name : method_names_) {
    const auto error = method_errors_.find(name);
    text += fmt::format("\nAuthentication method '{}' failed", name);
    if (error != method_errors_.end()) text += fmt::format(" with:\n{}", error->second);
  }
  fail(std::move(text));
}

void Connection::Session::opened() {
  state_ = State::kOpen;
  loop_.cancel(std::exchange(timer_, 0));
  ticket_.release();
  identity_.reset();
  options_.password = Secret();
  options_.passphrase = Secret();
  bytes_at_last_tick_ = counter_.in_bytes;
  arm(options_.keepalive_interval, [this] { keep_alive(); });
  if (callbacks_.connected) callbacks_.connected();
}

void Connection::Session::keep_alive() {
  silent_ticks_ = counter_.in_bytes == bytes_at_last_tick_ && !is_held_ ? silent_ticks_ + 1 : 0;
  bytes_at_last_tick_ = counter_.in_bytes;
  if (silent_ticks_ >= options_.keepalive_count) {
    lose(fmt::format("Timeout, server {} not responding.", options_.host));
    return;
  }
  arm(options_.keepalive_interval, [this] { keep_alive(); });
  ssh_send_keepalive(session_.get());
  step();
}

void Connection::Session::pump() {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const std::uint64_t before = counter_.in_bytes;
    ssh_execute_message_callbacks(session_.get());
    for (const auto& [id, channel] : channels_) channel->advance();
    if (counter_.in_bytes - before < kReadSize) break;
  }
  if (!deliver()) return;
  if (!ssh_is_connected(session_.get())) lose(ssh_get_error(session_.get()));
}

// False when the owner closed the connection meanwhile.
bool Connection::Session::deliver() {
  std::vector<ChannelId> ids;
  for (const auto& [id, channel] : channels_) {
    if (channel->has_news()) ids.push_back(id);
  }
  for (const ChannelId id : ids) {
    const auto found = channels_.find(id);
    if (found == channels_.end()) continue;
    const SshChannel::News news = found->second->take_news();
    const auto output = found->second->request().output;
    const auto ended = found->second->request().ended;
    if (!news.out.empty() && output) output(news.out, false);
    if (state_ != State::kOpen) return false;
    if (!news.err.empty() && output && channels_.contains(id)) output(news.err, true);
    if (state_ != State::kOpen) return false;
    if (!news.has_ended || !channels_.contains(id)) continue;
    channels_.erase(id);
    if (ended) ended(news.end);
    if (state_ != State::kOpen) return false;
  }
  return true;
}

Connection::ChannelId Connection::Session::start_channel(ChannelRequest request) {
  const ChannelId id = next_channel_++;
  auto channel = state_ == State::kOpen ? SshChannel::make(session_.get(), std::move(request)) : nullptr;
  if (channel == nullptr) return 0;
  channels_.emplace(id, std::move(channel));
  write(id, {});
  return id;
}

void Connection::Session::write(ChannelId id, std::string_view bytes) {
  const auto found = channels_.find(id);
  if (found == channels_.end()) return;
  found->second->write(bytes);
  step_soon();
}

void Connection::Session::hold(bool is_held) {
  if (std::exchange(is_held_, is_held) == is_held || state_ != State::kOpen) return;
  // Once let go: there may be bytes in libssh that no event would tell of.
  step_soon();
}

void Connection::Session::step_soon() {
  if (std::exchange(is_step_posted_, true)) return;
  loop_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    self->is_step_posted_ = false;
    if (self->state_ == State::kOpen) self->step();
  });
}

void Connection::Session::drop_channel(ChannelId id) {
  if (channels_.erase(id) != 0 && state_ == State::kOpen) watch_session();
}

void Connection::Session::lose(std::string why) {
  const auto self = shared_from_this();
  for (const auto& [id, channel] : channels_) channel->abandon();
  if (!deliver()) return;
  const auto lost = callbacks_.lost;
  close();
  if (lost) lost(std::move(why));
}

void Connection::Session::fail_all(const std::string& text) {
  for (const std::string& name : method_names_) method_errors_[name] = text;
  fail_methods();
}

void Connection::Session::fail(std::string text) {
  const auto self = shared_from_this();
  const auto failed = callbacks_.failed;
  close();
  if (failed) failed(std::move(text));
}

void Connection::Session::drop_session() {
  if (watch_ != 0) loop_.unwatch(std::exchange(watch_, 0));
  loop_.cancel(std::exchange(timer_, 0));
  channels_.clear();
  if (session_ != nullptr) {
    if (ssh_is_connected(session_.get())) ssh_disconnect(session_.get());
    session_.reset();
  }
  // libssh closes the socket when the other side did, and leaves it open otherwise.
  if (socket_ && inode_of(socket_.get()) != socket_inode_) static_cast<void>(socket_.release());
  socket_.reset();
}

void Connection::Session::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  way_back_->cut();
  callbacks_ = {};
  ticket_.release();
  drop_session();
}

Connection::Connection(net::EventLoop& loop, ConnectionServices services, ConnectionOptions options, Callbacks callbacks)
    : session_(std::make_shared<Session>(loop, services, std::move(options), std::move(callbacks))) {}
Connection::~Connection() { session_->close(); }
void Connection::open() { session_->open(); }
Connection::ChannelId Connection::start_channel(ChannelRequest request) {
  return session_->start_channel(std::move(request));
}
void Connection::write(ChannelId id, std::string_view bytes) { session_->write(id, bytes); }
void Connection::drop_channel(ChannelId id) { session_->drop_channel(id); }
void Connection::hold(bool is_held) { session_->hold(is_held); }
void Connection::close() { session_->close(); }

}  // namespace dynflow::remote_execution
