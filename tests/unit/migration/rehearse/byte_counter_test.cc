#include "migration/rehearse/byte_counter.h"

#include <sys/socket.h>

#include <array>
#include <catch2/catch.hpp>
#include <string>

#include "shared/http/client.h"
#include "shared/http/server.h"

namespace dynflow::migration {
namespace {

TEST_CASE("Bytes are passed on unchanged and counted both ways") {
  http::ServerOptions server_options;
  server_options.listeners.emplace_back();
  http::Server server(std::move(server_options));
  const Status started = server.start([](http::Request& request) {
    auto body = request.read_body(1 << 20);
    return http::text_response(200, body ? *body + *body : "?");
  });
  REQUIRE(started.ok());
  const auto counter = ByteCounter::start(server.ports().front());
  REQUIRE(counter.ok());

  http::ClientOptions options;
  options.host = "127.0.0.1";
  options.port = (*counter)->port();
  http::ClientPool client(options);
  const std::string sent(300'000, 'x');
  const auto body = http::body_of(sent);
  auto answer = client.send("POST", "/", {}, body.get(), Deadline::after(std::chrono::seconds(60)));
  REQUIRE(answer.ok());
  const auto text = http::read_all(*answer->body, 1 << 20);
  REQUIRE(text.ok());
  CHECK(*text == sent + sent);
  const ByteCounter::Counts counts = (*counter)->counts();
  CHECK(counts.to_core > 300'000);
  CHECK(counts.to_core < 310'000);
  CHECK(counts.from_core > 600'000);
  CHECK(counts.from_core < 610'000);
}

}  // namespace
}  // namespace dynflow::migration
