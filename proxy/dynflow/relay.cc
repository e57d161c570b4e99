#include "proxy/dynflow/relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "proxy/dynflow/relay_pages.h"
#include "proxy/dynflow/task_token.h"
#include "proxy/host/host.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "shared/metrics/text.h"

namespace dynflow::proxy {
namespace {

using namespace std::chrono_literals;

// Bodies up to this length are read whole before the status goes out, so that one that breaks off becomes a 502.
constexpr std::uint64_t kShortBody = 64 * 1024;
constexpr std::string_view kRetryAfterSeconds = "5";

constexpr Duration kAskTimeout = 5s;
constexpr std::string_view kRetryAfterOpen = "2";
// How old an answer about operations may be before somebody's question makes us ask again.
constexpr Duration kOperationsAge = 10s;
// While the core never answered: how often to try unasked.
constexpr Duration kAskAgain = 5s;

int status_for(Code code) {
  switch (code) {
    case Code::kUnavailable:
    case Code::kClosed:
    case Code::kBusy: return 503;
    case Code::kTimeout: return 504;
    case Code::kTooLarge: return 413;
    default: return 502;
  }
}

bool is_short(const http::BodyStream& body) {
  const auto length = body.length();
  return length && *length <= kShortBody;
}

Result<std::string> read_all(http::BodyStream& body) {
  std::string text;
  std::array<char, 16 * 1024> buffer;
  while (true) {
    const auto count = body.read(buffer);
    if (!count) return count.error();
    if (*count == 0) return text;
    text.append(buffer.data(), *count);
  }
}

// Remembers whether it was the client's side that failed.
class ClientBody final : public http::BodyStream {
 public:
  explicit ClientBody(http::BodyStream& body) : body_(body) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    auto count = body_.read(buffer);
    has_failed_ = has_failed_ || !count;
    return count;
  }
  std::optional<std::uint64_t> length() const override { return body_.length(); }
  bool has_failed() const { return has_failed_; }

 private:
  http::BodyStream& body_;
  bool has_failed_ = false;
};

http::ClientOptions client_options(const RelayOptions& options, std::shared_ptr<const net::TlsClientContext> tls) {
  http::ClientOptions out;
  out.host = options.core.host;
  out.port = options.core.port;
  out.tls = std::move(tls);
  out.max_connections = options.max_connections;
  return out;
}

}  // namespace

Result<std::unique_ptr<Relay>> Relay::create(const RelayOptions& options,
                                             std::shared_ptr<const Authorization> authorization) {
  std::shared_ptr<const net::TlsClientContext> tls;
  if (options.core.is_tls) {
    auto context = net::TlsClientContext::create(options.tls);
    if (!context) return context.error().in("the relay's TLS settings");
    if (!(*context)->verifies()) {
      log::warn({}, "The core at {} is not verified: neither :foreman_ssl_ca: nor :ssl_ca_file: is set", options.core.origin());
    }
    tls = *std::move(context);
  }
  return std::unique_ptr<Relay>(new Relay(options, std::move(tls), std::move(authorization)));
}

Relay::Relay(const RelayOptions& options, std::shared_ptr<const net::TlsClientContext> tls,
             std::shared_ptr<const Authorization> authorization)
    : core_(options.core),
      origin_(options.core.origin()),
      try_timeout_(options.try_timeout),
      authorization_(std::move(authorization)),
      pool_(client_options(options, tls)),
      probe_pool_(client_options(options, std::move(tls))) {}

Relay::~Relay() { stop(Deadline::after(Duration::zero())); }

Status Relay::start() {
  watcher_ = NamedThread("relay-ask", [this] { watch_operations(); });
  return {};
}

void Relay::stop(Deadline) {
  {
    const std::lock_guard lock(mutex_);
    has_stopped_ = true;
  }
  changed_.notify_all();
  probe_pool_.abort();
  watcher_.join();
  pool_.close_idle();
}

http::Response Relay::handle(http::Request& request, std::string_view path) {
  const auto target = core_target(request.target, core_.base_path);
  if (!target) return not_found_page();
  const std::string_view plain_target = std::string_view(*target).substr(core_.base_path.size());
  if (auto refused = refusal_at_the_front(*authorization_, request, path, plain_target)) return std::move(*refused);
  return pass_on(request, *target, kMount);
}

http::Response Relay::answer(http::Request& request, std::string_view, std::string_view mount) {
  const auto target = core_target(request.target, core_.base_path, mount);
  if (!target) return not_found_page();
  return pass_on(request, *target, mount);
}

http::Response Relay::pass_on(http::Request& request, const std::string& target, std::string_view mount) {
  const log::Context context{.request_id = request.request_id};
  log::debug(context, "Proxy request from {}{} to {}{}", request.headers.get("Host").value_or(""), request.path, origin_, target);
  if (!circuit_.admit()) {
    refused_.add();
    http::Response refused = http::error_response(
        503, fmt::format("The Dynflow core at {} does not answer; requests are passed on again as soon as it does", origin_));
    refused.headers.set("Retry-After", std::string(kRetryAfterOpen));
    return refused;
  }
  const Instant begin = system_clock().instant();
  ClientBody body(*request.body);
  // Without a body a request may be sent again when a pooled connection turns out to be dead.
  const bool has_body = body.length() != std::uint64_t{0};
  auto answer = ask(request, target, mount, has_body ? &body : nullptr);
  durations_.observe(system_clock().instant() - begin);
  if (answer) {
    circuit_.answered();
  } else {
    // A client that did not finish says nothing about the core.
    circuit_.failed(body.has_failed() ? Duration::zero() : system_clock().instant() - begin);
  }
  if (!answer) {
    // Then the client did not finish its own request: that is no news about the core.
    if (body.has_failed()) return http::error_response(answer.error());
    return answer_for(answer.error(), request);
  }
  log::debug(context, "Proxy request status {} - {}", answer->status, answer->reason);

  http::Response response;
  response.status = answer->status;
  response.headers = headers_for_client(answer->headers, core_, request.headers.get("Host").value_or(""), mount);
  // An answer to HEAD keeps its stream, which knows the length that GET would have.
  if (request.method == "HEAD") {
    response.stream = std::move(answer->body);
    return response;
  }
  const bool fits = is_short(*answer->body);
  if (is_page(response.headers)) {
    auto inside = inside_links(core_, request.peer.is_tls ? "https" : "http", request.headers.get("Host").value_or(""));
    answer->body = with_links(std::move(answer->body), std::move(inside), std::string(mount) + "/console");
  }
  if (!fits) {
    response.stream = std::move(answer->body);
    return response;
  }
  auto text = read_all(*answer->body);
  if (!text) return answer_for(text.error(), request);
  response.body = *std::move(text);
  return response;
}

Result<http::ClientResponse> Relay::ask(const http::Request& request, const std::string& target, std::string_view mount,
                                        http::BodyStream* body) {
  const http::Headers headers = headers_for_core(request, core_, mount);
  const bool is_repeatable = body == nullptr && (request.method == "GET" || request.method == "HEAD");
  if (!is_repeatable || try_timeout_ <= 0s || try_timeout_ >= request.deadline.left()) {
    return pool_.send(request.method, target, headers, body, request.deadline);
  }
  auto answer = pool_.send(request.method, target, headers, nullptr, request.deadline, Deadline::after(try_timeout_));
  if (answer || answer.error().code() != Code::kTimeout) return answer;
  log::warn({.request_id = request.request_id}, "{} {}: the Dynflow core at {} said nothing for {} s, it is asked once more", request.method,
            request.path, origin_, to_seconds(try_timeout_));
  second_tries_.add();
  return pool_.send(request.method, target, headers, nullptr, request.deadline);
}

http::Response Relay::answer_for(const Error& error, const http::Request& request) {
  const int status = status_for(error.code());
  std::string what;
  switch (status) {
    case 503: what = "cannot be reached"; break;
    case 504: what = "did not answer in time"; break;
    default: what = "gave no proper answer"; break;
  }
  (status == 503 ? unreachable_ : status == 504 ? timeouts_ : nonsense_).add();
  const std::string message = fmt::format("The Dynflow core at {} {}: {}", origin_, what, error.message());
  log::error({.request_id = request.request_id}, "{} {}: {}", request.method, request.path, message);
  http::Response response = http::error_response(status, message);
  if (status == 503) response.headers.set("Retry-After", std::string(kRetryAfterSeconds));
  return response;
}

std::string Relay::metrics() {
  using metrics::Kind;
  metrics::Text text;
  text.single("smart_proxy_relay_request_duration_seconds", Kind::kHistogram, "Requests passed on to the core service, until the head of the answer.", durations_);
  text.family("smart_proxy_relay_errors_total", Kind::kCounter, "Requests that the core service did not answer properly, by what happened.");
  text.sample({{"kind", "unreachable"}}, unreachable_).sample({{"kind", "timeout"}}, timeouts_).sample({{"kind", "bad_answer"}}, nonsense_);
  text.single("smart_proxy_relay_refused_total", Kind::kCounter, "Requests refused at once, as the core service was known to hang.", refused_);
  const http::ClientPool::Load load = pool_.load();
  text.single("smart_proxy_relay_retries_total", Kind::kCounter, "Requests sent again, as a kept connection had been closed or the core service said nothing.",
              load.retries + second_tries_.value());
  text.family("smart_proxy_relay_connections", Kind::kGauge, "Connections to the core service.");
  text.sample({{"state", "busy"}}, load.open - load.idle).sample({{"state", "idle"}}, load.idle);
  text.family("smart_proxy_relay_circuit", Kind::kGauge, "1 for the state of the circuit: closed (requests pass), suspected, open (they are refused).");
  const Circuit::State state = circuit_.state();
  text.sample({{"state", "closed"}}, state == Circuit::State::kClosed ? 1 : 0);
  text.sample({{"state", "suspected"}}, state == Circuit::State::kSuspected ? 1 : 0);
  text.sample({{"state", "open"}}, state == Circuit::State::kOpen ? 1 : 0);
  return text.take();
}

std::vector<std::string> Relay::operations() const {
  const std::lock_guard lock(mutex_);
  if (!is_asked_for_ && system_clock().instant() - fetched_ > kOperationsAge) {
    is_asked_for_ = true;
    changed_.notify_all();
  }
  return operations_;
}

void Relay::watch_operations() {
  while (true) {
    look_at_core();
    std::unique_lock lock(mutex_);
    const Instant asked = system_clock().instant();
    const auto is_due = [this] { return has_stopped_ || is_asked_for_; };
    // A core that never answered is waited for; one that did is asked again only when somebody wants to know, or when
    // requests wait for it in vain.
    while (!changed_.wait_for(lock, circuit_.pause(), is_due)) {
      if (circuit_.wants_probe()) break;
      if (operations_.empty() && system_clock().instant() - asked >= kAskAgain) break;
    }
    if (has_stopped_) return;
  }
}

void Relay::look_at_core() {
  const bool has_answered = ask_operations();
  {
    const std::lock_guard lock(mutex_);
    if (has_stopped_) return;  // the question was broken off, that is no news
  }
  switch (circuit_.probed(has_answered)) {
    case Circuit::Change::kOpened:
      log::error({}, "The Dynflow core at {} does not answer: requests for it are refused until it does", origin_);
      break;
    case Circuit::Change::kClosed: log::info({}, "The Dynflow core at {} answers again", origin_); break;
    case Circuit::Change::kNone: break;
  }
}

bool Relay::ask_operations() {
  http::Headers headers;
  headers.add("Accept", "application/json");
  std::vector<std::string> found;
  auto answer = probe_pool_.send("GET", core_.base_path + "/tasks/operations", headers, nullptr, Deadline::after(kAskTimeout));
  if (answer && answer->status == 200) {
    const auto text = is_short(*answer->body) ? read_all(*answer->body) : Error(Code::kTooLarge, "too long");
    const auto list = text ? json::parse(*text) : Error(Code::kBadPeer, "no list");
    if (list && list->is_array()) {
      for (const Json& name : *list) {
        if (name.is_string()) found.push_back(name.get<std::string>());
      }
    }
  }
  if (answer && answer->status != last_status_) {
    last_status_ = answer->status;
    if (answer->status != 200) {
      log::warn({}, "What answers at {} is no Dynflow core, or does not let this proxy in: status {}", origin_, answer->status);
    }
  }
  const std::lock_guard lock(mutex_);
  is_asked_for_ = false;
  fetched_ = system_clock().instant();
  // A core that is away for a moment has not lost its abilities: Foreman would forget the feature's.
  if (!found.empty()) operations_ = std::move(found);
  return answer.ok();
}

}  // namespace dynflow::proxy
