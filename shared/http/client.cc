#include "shared/http/client.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "shared/http/client_connection.h"
#include "shared/http/head.h"
#include "shared/net/resolver.h"
#include "shared/net/socket.h"

namespace dynflow::http {
namespace {

constexpr std::chrono::seconds kShortPause{1};

using Owned = std::unique_ptr<ClientConnection>;

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_safe_target(std::string_view target) {
  return !target.empty() && target.front() == '/' && target.size() <= kMaxStartLine &&
         std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

// An answer without a body; HEAD still says how long it would be.
class NoBody final : public BodyStream {
 public:
  explicit NoBody(std::optional<std::uint64_t> announced) : announced_(announced) {}
  Result<std::size_t> read(std::span<char>) override { return std::size_t{0}; }
  std::optional<std::uint64_t> length() const override { return announced_; }

 private:
  std::optional<std::uint64_t> announced_;
};

}  // namespace

class ClientPool::Core : public std::enable_shared_from_this<Core> {
 public:
  explicit Core(ClientOptions options) : options_(std::move(options)) {
    const bool is_default_port = options_.port == (options_.tls ? 443 : 80);
    const bool is_v6 = options_.host.find(':') != std::string::npos;
    host_header_ = is_v6 ? "[" + options_.host + "]" : options_.host;
    if (!is_default_port) host_header_ += ":" + std::to_string(options_.port);
  }

  Result<ClientResponse> send(std::string_view method, std::string_view target, const Headers& headers,
                              BodyStream* body, Deadline deadline, Deadline head_deadline);
  void give_back(Owned connection);
  void close_idle();
  void abort();
  Load load() const;

 private:
  Result<std::string> request_head(std::string_view method, std::string_view target, const Headers& headers,
                                   const BodyStream* body) const;
  Result<Owned> acquire(Deadline deadline);
  Result<Owned> connect(Deadline deadline);
  // Before the connection is destroyed.
  void forget(const Owned& connection);
  bool is_aborted() const;
  ClientResponse response_of(Owned connection, ResponseHead head, bool is_head, Deadline deadline);

  const ClientOptions options_;
  std::string host_header_;
  net::Resolver resolver_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Owned> idle_;       // the longest unused first
  std::unordered_set<ClientConnection*> in_use_;
  std::size_t open_ = 0;
  std::uint64_t retries_ = 0;
  bool is_aborted_ = false;
};

namespace {

Error aborted() { return Error(Code::kClosed, "the requests were given up"); }

// The rest of an answer's body. Holds the connection until the last byte.
template <class Core>
class ResponseBody final : public BodyStream {
 public:
  ResponseBody(std::shared_ptr<Core> core, Owned connection, std::optional<std::uint64_t> length, Deadline deadline)
      : core_(std::move(core)), connection_(std::move(connection)), length_(length), deadline_(deadline) {}
  ~ResponseBody() override { finish(); }

  Result<std::size_t> read(std::span<char> buffer) override {
    if (failure_) return *failure_;
    if (!connection_) return std::size_t{0};
    auto got = connection_->read_body(buffer, deadline_);
    if (!got) failure_ = got.error();
    if (!got || connection_->body_is_complete()) finish();
    return got;
  }
  std::optional<std::uint64_t> length() const override { return length_; }

 private:
  void finish() {
    if (connection_) core_->give_back(std::move(connection_));
  }

  std::shared_ptr<Core> core_;
  Owned connection_;
  std::optional<std::uint64_t> length_;
  Deadline deadline_;
  std::optional<Error> failure_;
};

}  // namespace

Result<std::string> ClientPool::Core::request_head(std::string_view method, std::string_view target,
                                                   const Headers& headers, const BodyStream* body) const {
  if (!is_token(method)) return Error(Code::kInvalid, "malformed method");
  if (!is_safe_target(target)) return Error(Code::kInvalid, "malformed request target");
  std::string head;
  head.reserve(512);
  head.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
  if (!headers.has("Host")) head.append("Host: ").append(host_header_).append("\r\n");
  for (const auto& [name, value] : headers) {
    if (is_hop_by_hop(name) || same(name, "Content-Length") || same(name, "Expect")) continue;
    if (!is_token(name) || !is_clean_value(value)) return Error(Code::kInvalid, "malformed header field");
    head.append(name).append(": ").append(value).append("\r\n");
  }
  const bool may_have_body = method != "GET" && method != "HEAD" && method != "DELETE" && method != "OPTIONS";
  if (body != nullptr && !body->length()) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (body != nullptr || may_have_body) {
    head += fmt::format("Content-Length: {}\r\n", body != nullptr ? *body->length() : 0);
  }
  head += "\r\n";
  return head;
}

Result<ClientResponse> ClientPool::Core::send(std::string_view method, std::string_view target,
                                              const Headers& headers, BodyStream* body, Deadline deadline,
                                              Deadline head_deadline) {
  auto head = request_head(method, target, headers, body);
  if (!head) return head.error();
  const bool is_head = method == "HEAD";
  const bool is_repeatable = (is_head || method == "GET") && body == nullptr;
  for (;;) {
    auto acquired = acquire(head_deadline);
    if (!acquired) return acquired.error();
    Owned connection = std::move(*acquired);
    // A request that must not be sent twice asks first whether the connection still lives. So does everybody after
    // a pause: some servers say goodbye with a 408 that nobody asked for.
    const bool asks_first = !is_repeatable || system_clock().instant() - connection->idle_since > kShortPause;
    if (connection->is_reused && asks_first && connection->is_stale()) {
      forget(connection);
      continue;
    }
    const auto sent = connection->send_request(*head, body, body != nullptr && !body->length(), head_deadline);
    Error failure(Code::kBadPeer, "no answer");
    if (sent) {
      auto answer = connection->read_head(is_head, head_deadline);
      if (answer) return response_of(std::move(connection), std::move(*answer), is_head, deadline);
      failure = answer.error();
    } else {
      failure = sent.error();
    }
    const bool has_died = failure.code() == Code::kClosed && !connection->has_answer();
    const bool is_untouched = is_repeatable || (!connection->has_written() && body == nullptr);
    const bool retries = connection->is_reused && has_died && is_untouched;
    const bool is_own_fault = connection->has_body_failure();
    forget(connection);
    if (is_aborted()) return aborted();
    if (is_own_fault) return failure;
    if (retries) {
      const std::lock_guard lock(mutex_);
      ++retries_;
      continue;
    }
    if (failure.code() == Code::kClosed) return Error(Code::kBadPeer, "no answer: " + failure.message());
    return failure;
  }
}

ClientResponse ClientPool::Core::response_of(Owned connection, ResponseHead head, bool is_head, Deadline deadline) {
  ClientResponse response;
  response.status = head.status;
  response.reason = std::move(head.reason);
  response.headers = std::move(head.headers);
  std::optional<std::uint64_t> length;
  if (head.has_content_length) length = head.content_length;
  if (connection->body_is_complete()) {
    response.body = std::make_unique<NoBody>(is_head ? length : 0);
    give_back(std::move(connection));
  } else if (connection->body_is_here()) {
    std::string text(static_cast<std::size_t>(head.content_length), '\0');
    std::size_t used = 0;
    while (used < text.size()) {
      const auto got = connection->read_body(std::span(text).subspan(used), deadline);
      if (!got || *got == 0) break;  // not possible: every byte is here already
      used += *got;
    }
    response.body = body_of(std::move(text));
    give_back(std::move(connection));
  } else {
    response.body = std::make_unique<ResponseBody<Core>>(shared_from_this(), std::move(connection), length, deadline);
  }
  return response;
}

Result<Owned> ClientPool::Core::acquire(Deadline deadline) {
  const std::uint64_t generation = options_.tls ? options_.tls->generation() : 0;
  {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (is_aborted_) return aborted();
      while (!idle_.empty()) {
        Owned connection = std::move(idle_.back());
        idle_.pop_back();
        if (connection->tls_generation != generation) {
          --open_;
          continue;
        }
        if (system_clock().instant() - connection->idle_since < options_.max_idle) {
          connection->is_reused = true;
          in_use_.insert(connection.get());
          return connection;
        }
        // The others are older still.
        open_ -= 1 + idle_.size();
        idle_.clear();
      }
      if (open_ < options_.max_connections) break;
      if (changed_.wait_until(lock, deadline.when()) == std::cv_status::timeout && idle_.empty() &&
          open_ >= options_.max_connections && !is_aborted_) {
        return Error(Code::kBusy, "all connections to " + host_header_ + " are in use");
      }
    }
    ++open_;
  }
  auto connection = connect(deadline);
  if (!connection) forget(nullptr);
  if (!connection && is_aborted()) return aborted();
  return connection;
}

Result<Owned> ClientPool::Core::connect(Deadline deadline) {
  const Deadline own = deadline.sooner(Deadline::after(options_.connect_deadline));
  // Only the caller's own deadline is a timeout; a server that cannot be reached in our time is not there.
  const auto failed = [&](const Error& error) {
    const bool is_late = error.code() == Code::kTimeout && deadline.has_passed();
    return Error(is_late ? Code::kTimeout : Code::kUnavailable, "cannot connect to " + host_header_ + ": " + error.message());
  };
  auto addresses = resolver_.addresses_of(options_.host, options_.port, own);
  if (!addresses) return failed(addresses.error());
  auto fd = net::connect_to(*addresses, own);
  if (!fd) return failed(fd.error());
  auto connection = std::make_unique<ClientConnection>(std::move(*fd));
  {
    const std::lock_guard lock(mutex_);
    if (is_aborted_) return aborted();
    in_use_.insert(connection.get());
  }
  if (options_.tls) {
    connection->tls_generation = options_.tls->generation();
    connection->io.set_tls(options_.tls->session(connection->io.fd(), options_.host));
    if (auto done = connection->io.finish_handshake(own); !done) {
      const std::lock_guard lock(mutex_);
      in_use_.erase(connection.get());
      return failed(done.error());
    }
  }
  return connection;
}

void ClientPool::Core::forget(const Owned& connection) {
  {
    const std::lock_guard lock(mutex_);
    in_use_.erase(connection.get());
    --open_;
  }
  changed_.notify_one();
}

bool ClientPool::Core::is_aborted() const {
  const std::lock_guard lock(mutex_);
  return is_aborted_;
}

void ClientPool::Core::give_back(Owned connection) {
  if (!connection->is_reusable() || is_aborted()) return forget(connection);
  connection->idle_since = system_clock().instant();
  {
    const std::lock_guard lock(mutex_);
    in_use_.erase(connection.get());
    idle_.push_back(std::move(connection));
  }
  changed_.notify_one();
}

void ClientPool::Core::close_idle() {
  std::vector<Owned> closed;
  {
    const std::lock_guard lock(mutex_);
    open_ -= idle_.size();
    closed.swap(idle_);
  }
  changed_.notify_all();
}

void ClientPool::Core::abort() {
  {
    const std::lock_guard lock(mutex_);
    is_aborted_ = true;
    // Under the lock: nobody destroys a connection before it is out of the set.
    for (ClientConnection* connection : in_use_) connection->io.cut();
  }
  close_idle();
}

ClientPool::Load ClientPool::Core::load() const {
  const std::lock_guard lock(mutex_);
  return {open_, idle_.size(), retries_};
}

ClientPool::ClientPool(ClientOptions options) : core_(std::make_shared<Core>(std::move(options))) {}
ClientPool::~ClientPool() { core_->close_idle(); }

Result<ClientResponse> ClientPool::send(std::string_view method, std::string_view target, const Headers& headers,
                                        BodyStream* body, Deadline deadline, Deadline head_deadline) {
  return core_->send(method, target, headers, body, deadline, head_deadline);
}

void ClientPool::close_idle() { core_->close_idle(); }
void ClientPool::abort() { core_->abort(); }
ClientPool::Load ClientPool::load() const { return core_->load(); }

}  // namespace dynflow::http
