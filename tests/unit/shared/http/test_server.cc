#include "tests/unit/shared/http/test_server.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "shared/net/peer_certificate.h"

namespace dynflow::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 10s;

class Pieces final : public http::BodyStream {
 public:
  Pieces(std::vector<std::string> texts, std::optional<std::uint64_t> length)
      : texts_(std::move(texts)), length_(length) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    if (at_ == texts_.size()) return std::size_t{0};
    if (texts_[at_] == "!") return Error(Code::kFailed, "broken on purpose");
    std::string& text = texts_[at_];
    const std::size_t count = std::min(buffer.size(), text.size());
    std::memcpy(buffer.data(), text.data(), count);
    text.erase(0, count);
    if (text.empty()) ++at_;
    return count;
  }
  std::optional<std::uint64_t> length() const override { return length_; }

 private:
  std::vector<std::string> texts_;
  std::optional<std::uint64_t> length_;
  std::size_t at_ = 0;
};

http::ServerOptions options_with(const std::function<void(http::ServerOptions&)>& adjust) {
  http::ServerOptions options;
  options.listeners.emplace_back();
  if (adjust) adjust(options);
  return options;
}

http::Response streamed(std::unique_ptr<http::BodyStream> stream) {
  http::Response response;
  response.stream = std::move(stream);
  return response;
}

}  // namespace

void Gate::pass() {
  std::unique_lock lock(mutex_);
  ++waiting_;
  changed_.notify_all();
  changed_.wait_for(lock, kPatience, [this] { return is_open_; });
  --waiting_;
}

bool Gate::wait_for(std::size_t count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return waiting_ >= count; });
}

void Gate::open() {
  const std::lock_guard lock(mutex_);
  is_open_ = true;
  changed_.notify_all();
}

bool eventually(const std::function<bool()>& condition) {
  const Deadline deadline = Deadline::after(kPatience);
  while (!condition()) {
    if (deadline.has_passed()) return false;
    std::this_thread::yield();
  }
  return true;
}

std::unique_ptr<http::BodyStream> pieces(std::vector<std::string> texts, std::optional<std::uint64_t> length) {
  return std::make_unique<Pieces>(std::move(texts), length);
}

TestServer::TestServer(const std::function<void(http::ServerOptions&)>& adjust) : server(options_with(adjust)) {
  const auto started = server.start([this](http::Request& request) { return handle(request); });
  if (!started) throw std::runtime_error(started.error().message());
}

TestServer::~TestServer() {
  gate.open();
  server.stop(Deadline::after(kPatience));
}

http::Response TestServer::handle(http::Request& request) {
  if (request.path == "/throws") throw std::runtime_error("secret detail");
  if (request.path == "/unread") return http::text_response(200, "unread");
  if (request.path == "/known") return streamed(pieces({"abc", "def"}, 6));
  if (request.path == "/unknown") return streamed(pieces({"abc", "def"}));
  if (request.path == "/broken") return streamed(pieces({"abc", "!"}));
  if (request.path == "/short") return streamed(pieces({"abc"}, 6));
  if (request.path == "/empty") return http::text_response(204, "");
  if (request.path == "/large") return http::text_response(200, std::string(3'000'000, 'x'));
  if (request.path == "/bad-header") {
    http::Response response = http::text_response(200, "ok");
    response.headers.add("X-Bad", "a\r\nInjected: b");
    response.headers.add("X-Good", "c");
    response.headers.add("Connection", "upgrade");
    response.headers.add("Content-Length", "99");
    return response;
  }
  if (request.path == "/who") {
    const auto& certificate = request.peer.certificate;
    return http::text_response(200, request.peer.address + " " + (request.peer.is_tls ? "tls " : "plain ") +
                                        (certificate ? certificate->common_name().value_or("?") : "nobody"));
  }
  auto body = request.read_body(8'000'000);
  if (!body) return http::error_response(body.error());
  if (request.path == "/waits") gate.pass();
  if (request.path == "/echo") return http::text_response(200, *body);
  return http::text_response(200, request.method + " " + request.target + " " + std::to_string(body->size()));
}

}  // namespace dynflow::test
