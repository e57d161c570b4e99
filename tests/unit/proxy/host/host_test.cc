#include "proxy/host/host.h"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "proxy/host/version.h"

using namespace dynflow;
using namespace dynflow::proxy;

namespace {

class NoNames final : public HostNames {
 public:
  Result<std::string> name_of(const std::string&) const override { return Error(Code::kNotFound, "none"); }
  Result<std::vector<std::string>> addresses_of(const std::string&) const override { return Error(Code::kNotFound, "none"); }
};

class FakeModule final : public Module {
 public:
  explicit FakeModule(Status outcome, bool throws = false) : outcome_(std::move(outcome)), throws_(throws) {
    row_.name = "fake";
    row_.version = "1.2.3";
    row_.is_on_http = true;
  }
  std::string_view mount() const override { return "/fake"; }
  Status start() override {
    row_.state = outcome_ ? ModuleState::kRunning : ModuleState::kFailed;
    return outcome_;
  }
  void interrupt() override {}
  void stop(Deadline) override {}
  std::vector<Feature> features() const override { return {row_}; }
  bool serves(bool is_tls) const override { return row_.state == ModuleState::kRunning && !is_tls; }
  http::Response handle(http::Request& request) override {
    if (throws_) throw std::runtime_error("broken");
    return http::text_response(200, request.path);
  }

 private:
  Status outcome_;
  bool throws_;
  Feature row_;
};

struct World {
  std::shared_ptr<log::Buffer> buffer = *log::Buffer::create(10, 10);
  std::unique_ptr<Host> host;

  explicit World(std::unique_ptr<Module> module, std::optional<std::vector<std::string>> trusted = std::nullopt) {
    Host::Parts parts;
    parts.authorization = std::make_shared<const Authorization>(TrustPolicy{std::move(trusted), true}, std::make_unique<NoNames>());
    parts.modules.push_back(std::move(module));
    parts.logs.name = "logs";
    parts.logs.version = "3";
    parts.logs.is_on_http = true;
    parts.logs.state = ModuleState::kRunning;
    parts.buffer = buffer;
    host = std::make_unique<Host>(std::move(parts));
    host->start_modules();
  }

  http::Response get(const std::string& path, const std::string& method = "GET", bool is_tls = false) {
    http::Request request;
    request.method = method;
    request.path = path;
    request.peer.address = "192.0.2.7";
    request.peer.is_tls = is_tls;
    return host->handle(request);
  }
};

}  // namespace

TEST_CASE("requests go to the module whose mount they are at or below", "[host]") {
  World world(std::make_unique<FakeModule>(Status()));
  CHECK(world.get("/fake").body == "/fake");
  CHECK(world.get("/fake/x").body == "/fake/x");
  CHECK(world.get("/fakes").status == 404);
  CHECK(world.get("/fake", "GET", true).status == 404);  // not enabled for https
}

TEST_CASE("every answer carries nosniff, what is unknown is upstream's page", "[host]") {
  World world(std::make_unique<FakeModule>(Status()));
  for (const char* path : {"/fake", "/version", "/nothing"}) {
    INFO(path);
    CHECK(world.get(path).headers.get("X-Content-Type-Options") == "nosniff");
  }
  const auto page = world.get("/features", "POST");
  CHECK(page.status == 404);
  CHECK(page.body == "Requested url was not found");
  CHECK(page.headers.get("Content-Type") == "application/json");
  CHECK(page.headers.get("X-Cascade") == "pass");
}

TEST_CASE("the documents are made from all modules and the logs", "[host]") {
  World world(std::make_unique<FakeModule>(Status()));
  CHECK(world.get("/features").body == R"(["fake","logs"])");
  CHECK(world.get("/version", "HEAD").status == 200);
  CHECK(world.get("/version").body ==
        R"({"version":")" + std::string(kHostVersion) + R"(","modules":{"fake":"1.2.3","logs":"3"}})");
  CHECK(world.get("/v2/features").status == 200);
  CHECK(world.get("/logs").status == 200);
  CHECK(world.get("/logs/").status == 200);
  CHECK(world.get("/logs/", "GET", true).status == 404);
}

TEST_CASE("what authorisation protects is refused, the rest stays open", "[host]") {
  World world(std::make_unique<FakeModule>(Status()), std::vector<std::string>{});
  CHECK(world.get("/v2/features").status == 403);
  CHECK(world.get("/logs/").status == 403);
  CHECK(world.get("/features").status == 200);
  CHECK(world.get("/version").status == 200);
}

TEST_CASE("a module that cannot start is shown as failed and not served", "[host]") {
  World world(std::make_unique<FakeModule>(Error(Code::kUnavailable, "no library")));
  CHECK(world.get("/fake").status == 404);
  CHECK(world.get("/features").body == R"(["logs"])");
  const auto failed = world.buffer->info().failed_modules;
  REQUIRE(failed.count("fake") == 1);
  CHECK(failed.at("fake") == "Disabling all modules in the group ['fake'] due to a failure in one of them: no library");
}

TEST_CASE("what a module throws is a 500 without details", "[host]") {
  World world(std::make_unique<FakeModule>(Status(), true));
  const auto response = world.get("/fake");
  CHECK(response.status == 500);
  CHECK(response.body.find("broken") == std::string::npos);
  CHECK(response.headers.get("X-Content-Type-Options") == "nosniff");
}
