#include "proxy/dynflow/relay.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "shared/http/server.h"
#include "shared/json/json.h"
#include "shared/net/socket.h"

using namespace dynflow;
using namespace dynflow::proxy;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const Authorization> open_to_all() {
  return std::make_shared<const Authorization>(TrustPolicy{}, system_host_names(1s));
}

std::unique_ptr<Relay> relay_to(std::uint16_t port, Duration try_timeout = 30s) {
  RelayOptions options;
  options.try_timeout = try_timeout;
  options.core = {false, "127.0.0.1", port, ""};
  return *Relay::create(options, open_to_all());
}

http::Request request_for(const std::string& target, Duration patience = 10s) {
  http::Request request;
  request.method = "GET";
  request.target = target;
  request.path = target;
  request.body = http::body_of("");
  request.headers.add("Host", "proxy:8000");
  request.deadline = Deadline::after(patience);
  return request;
}

std::string error_in(const http::Response& response) {
  const auto document = json::parse(response.body);
  return document ? json::get_string(*document, "error") : "";
}

// A core that accepts connections and says nothing.
net::ListeningSocket silent_core() { return std::move(net::listen_on("127.0.0.1", 0)->front()); }

}  // namespace

TEST_CASE("a core that is too slow is a 504", "[relay]") {
  const auto core = silent_core();
  auto request = request_for("/dynflow/tasks/count", 50ms);
  const auto response = relay_to(core.bound.port)->handle(request, "/tasks/count");
  CHECK(response.status == 504);
  CHECK(error_in(response).find("did not answer in time") != std::string::npos);
}

TEST_CASE("what may be asked twice is, when the first try is not answered in time", "[relay]") {
  // Says nothing on the first connection, and answers on the second.
  http::ServerOptions options;
  options.listeners.emplace_back();
  http::Server core(std::move(options));
  std::atomic<int> gets{0}, posts{0};
  std::promise<void> over;
  const std::shared_future<void> is_over = over.get_future().share();
  REQUIRE(core.start([&](http::Request& request) {
    std::atomic<int>& count = request.method == "GET" ? gets : posts;
    const bool is_first = ++count == 1;
    if (is_first) is_over.wait();
    return http::text_response(200, "second", "text/plain");
  }));
  const auto relay = relay_to(core.ports().front(), 100ms);
  auto get = request_for("/dynflow/tasks/count");
  CHECK(relay->handle(get, "/tasks/count").body == "second");
  CHECK(gets == 2);
  // A launch is sent once, whatever becomes of it.
  auto post = request_for("/dynflow/tasks/launch", 400ms);
  post.method = "POST";
  post.body = http::body_of("{}");
  CHECK(relay->handle(post, "/tasks/launch").status == 504);
  CHECK(posts == 1);
  over.set_value();
  core.stop(Deadline::after(10s));
}

TEST_CASE("a core that is not there is a 503 with Retry-After", "[relay]") {
  std::uint16_t port = 0;
  {
    const auto gone = silent_core();
    port = gone.bound.port;
  }
  auto request = request_for("/dynflow/tasks/count");
  const auto response = relay_to(port)->handle(request, "/tasks/count");
  CHECK(response.status == 503);
  CHECK(response.headers.has("Retry-After"));
  CHECK(error_in(response).find("cannot be reached") != std::string::npos);
}

TEST_CASE("who has neither certificate nor token does not reach the core", "[relay]") {
  const auto core = silent_core();
  const auto relay = relay_to(core.bound.port);
  for (const char* path : {"/tasks/count", "/tasks/x/update", "/tasks/x/done"}) {
    auto request = request_for(std::string("/dynflow") + path, 50ms);
    request.method = "POST";
    request.peer.is_tls = true;
    INFO(path);
    CHECK(relay->handle(request, path).status == 403);
  }
  // With a plausible token it does: the silence of the core shows.
  auto request = request_for("/dynflow/tasks/x/done", 50ms);
  request.method = "POST";
  request.peer.is_tls = true;
  request.headers.add("Authorization", "Basic eDp5");
  CHECK(relay->handle(request, "/tasks/x/done").status == 504);
}

TEST_CASE("a mount point in another spelling is not found", "[relay]") {
  auto request = request_for("/%64ynflow/tasks/count");
  CHECK(relay_to(1)->handle(request, "/tasks/count").status == 404);
}

TEST_CASE("operations are the core's, asked in the background", "[relay]") {
  http::ServerOptions options;
  options.listeners.emplace_back();
  http::Server core(std::move(options));
  REQUIRE(core.start([](http::Request& request) {
    return request.path == "/tasks/operations" ? http::text_response(200, R"(["ssh","single",7])", "application/json")
                                               : http::error_response(404, "unknown");
  }));
  const auto relay = relay_to(core.ports().front());
  CHECK(relay->operations().empty());
  REQUIRE(relay->start());
  const auto deadline = Deadline::after(10s);
  while (relay->operations().empty() && !deadline.has_passed()) std::this_thread::yield();
  CHECK(relay->operations() == std::vector<std::string>{"ssh", "single"});
  relay->stop(deadline);
  core.stop(deadline);
}
