#include "shared/callback/foreman_client.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <mutex>
#include <string_view>
#include <utility>

#include "shared/base/utf8.h"
#include "shared/http/client.h"
#include "shared/net/tls_context.h"

namespace dynflow::callback {
namespace {

constexpr std::string_view kCallbackPath = "/foreman_tasks/api/tasks/callback";
// Foreman's own limit for a request is a minute.
constexpr std::chrono::seconds kDeadline{60};
constexpr std::size_t kLargestAnswer = 1024 * 1024;
constexpr std::size_t kShownBytes = 300;

// Nothing is said about the entries of the request by these.
Code code_of(int status) {
  switch (status) {
    case 401:
    case 403:
      return Code::kForbidden;
    case 404:
      return Code::kNotFound;
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return Code::kUnavailable;
    default:
      return status < 400 ? Code::kUnavailable : Code::kUnprocessable;
  }
}

bool is_plain(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

class HttpForemanClient final : public ForemanClient {
 public:
  HttpForemanClient(ForemanAddress address, ForemanUrl url) : address_(std::move(address)), url_(std::move(url)) {}

  Status post(std::string_view body, const std::string& request_id) override {
    if (address_.url.empty()) return Error(Code::kUnavailable, "foreman_url is not set");
    auto pool = connections();
    if (!pool) return pool.error();
    http::Headers headers;
    // What upstream puts on the wire; the second alone is no media type for Rails 6.
    headers.add("Accept", "*/*, application/json,version=2");
    headers.add("Content-Type", "application/json");
    headers.add("User-Agent", "smart-proxy-dynflow");
    if (is_plain(request_id)) headers.add("X-Request-Id", request_id);
    const auto stream = http::body_of(std::string(body));
    auto answer = (*pool)->send("POST", url_.path + std::string(kCallbackPath), headers, stream.get(), Deadline::after(kDeadline));
    if (!answer) return in_our_words(answer.error());
    auto text = http::read_all(*answer->body, kLargestAnswer);
    if (answer->status == 200) return {};
    return Error(code_of(answer->status), fmt::format("Failed performing callback to Foreman server: {} {}", answer->status,
                                                      text ? shortened(*text) : text.error().message()));
  }

  void close() override {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    if (pool_) pool_->abort();
  }

 private:
  Result<std::shared_ptr<http::ClientPool>> connections() {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return Error(Code::kClosed, "the proxy stops");
    if (pool_) return pool_;
    http::ClientOptions options;
    options.host = url_.host;
    options.port = url_.port;
    options.max_connections = address_.connections;
    if (url_.is_https) {
      auto tls = net::TlsClientContext::create({address_.ca_file, address_.certificate_file, address_.key_file});
      if (!tls) return Error(Code::kUnavailable, tls.error().message());
      options.tls = std::move(*tls);
    }
    pool_ = std::make_shared<http::ClientPool>(std::move(options));
    return pool_;
  }

  static Error in_our_words(const Error& error) {
    // A connection that broke off may have delivered everything or nothing.
    const bool is_about_body = error.code() == Code::kInvalid || error.code() == Code::kTooLarge;
    const bool is_kept = is_about_body || error.code() == Code::kTimeout || error.code() == Code::kClosed;
    const Code code = is_kept ? error.code() : Code::kUnavailable;
    return Error(code, error.message());
  }

  static std::string shortened(const std::string& text) {
    return to_valid_utf8(std::string_view(text).substr(0, kShownBytes), "");
  }

  const ForemanAddress address_;
  const ForemanUrl url_;
  std::mutex mutex_;
  bool is_closed_ = false;
  std::shared_ptr<http::ClientPool> pool_;  // owners: this, and posts under way
};

}  // namespace

Result<ForemanUrl> parse_foreman_url(const std::string& url) {
  const Error wrong(Code::kInvalid, fmt::format("foreman_url '{}' is not http(s)://host[:port][/path]", url));
  ForemanUrl parsed;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    parsed.is_https = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return wrong;
  }
  const auto is_out_of_place = [](char c) { return c <= ' ' || c >= 0x7f || c == '@' || c == '?' || c == '#' || c == '\\'; };
  if (std::any_of(rest.begin(), rest.end(), is_out_of_place)) return wrong;
  const auto slash = std::min(rest.find('/'), rest.size());
  std::string_view path = rest.substr(slash);
  std::string_view authority = rest.substr(0, slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  parsed.path = path;

  std::string_view port;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return wrong;
    parsed.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
  } else {
    const auto colon = std::min(authority.find(':'), authority.size());
    parsed.host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (parsed.host.empty()) return wrong;
  parsed.port = parsed.is_https ? 443 : 80;
  if (!port.empty()) {
    const char* const end = port.data() + port.size();
    const auto [at, error] = std::from_chars(port.data() + 1, end, parsed.port);
    if (port.front() != ':' || error != std::errc() || at != end || parsed.port == 0) return wrong;
  }
  return parsed;
}

Result<std::unique_ptr<ForemanClient>> make_foreman_client(ForemanAddress address) {
  ForemanUrl url;
  if (!address.url.empty()) {
    auto parsed = parse_foreman_url(address.url);
    if (!parsed) return parsed.error();
    url = std::move(*parsed);
  }
  return std::unique_ptr<ForemanClient>(std::make_unique<HttpForemanClient>(std::move(address), std::move(url)));
}

}  // namespace dynflow::callback
