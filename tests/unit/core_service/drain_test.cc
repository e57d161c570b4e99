#include "core_service/drain.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "shared/base/file.h"
#include "shared/base/temporary_folder.h"
#include "shared/json/json.h"

using namespace dynflow;
using namespace dynflow::core_service;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  TemporaryFolder folder = *TemporaryFolder::make("drain-test");
  std::filesystem::path file = folder.path() / "db.drain";
  VirtualClock clock;
  Drain drain{file, clock};

  http::Request request(const std::string& method, const std::string& path, const std::string& body = {}) const {
    http::Request made;
    made.method = method;
    made.target = made.path = path;
    made.headers.add("Content-Type", "application/json");
    made.peer.address = "127.0.0.1";
    made.deadline = Deadline::after(10s);
    made.body = http::body_of(body);
    return made;
  }
  http::Response order(const std::string& body) {
    auto made = request("POST", "/drain", body);
    return drain.handle(made);
  }
  // The status of the refusal; 0: the request goes on, and has its body.
  int launch(const std::string& path, const std::string& body, Result<std::size_t> known = Result<std::size_t>(0)) {
    auto made = request("POST", path, body);
    const auto refused = drain.refusal(made, path, [&](const std::vector<std::string>&) { return known; });
    if (!refused) {
      CHECK(*made.read_body(1000) == body);
      return 0;
    }
    if (refused->status == 503) CHECK(refused->headers.get("Retry-After") == "30");
    return refused->status;
  }
};

constexpr const char* kLaunch = R"({"operation":"ssh","input":{"a":{},"b":{}}})";

}  // namespace

TEST_CASE_METHOD(Fixture, "a drained core takes no launches and does not count", "[drain]") {
  CHECK(launch("/tasks/launch", kLaunch) == 0);
  CHECK(order(R"({"action":"drain"})").status == 200);
  for (const char* path : {"/tasks/launch", "/tasks/launch/", "/tasks", "/tasks/", "/%74asks/launch"}) {
    INFO(path);
    CHECK(launch(path, kLaunch) == 503);
  }
  CHECK(launch("/tasks/launch", "no JSON") == 503);
  auto count = request("GET", "/tasks/count");
  CHECK(drain.refusal(count, "/tasks/count", nullptr)->status == 503);
  for (const char* path : {"/tasks/status", "/tasks/a/cancel", "/tasks/a/update", "/tasks/a/done"}) {
    INFO(path);
    CHECK(launch(path, "{}") == 0);
  }
  CHECK(order(R"({"action":"undrain"})").status == 200);
  CHECK(launch("/tasks/launch", kLaunch) == 0);
}

TEST_CASE_METHOD(Fixture, "a launch whose tasks are all known goes on to the core", "[drain]") {
  CHECK(order(R"({"action":"drain"})").status == 200);
  CHECK(launch("/tasks/launch", kLaunch, 2) == 0);
  CHECK(launch("/tasks/launch", kLaunch, 1) == 503);
  CHECK(launch("/tasks/launch", kLaunch, Error(Code::kUnavailable, "?")) == 503);
  CHECK(launch("/tasks/launch", R"({"input":{}})", 0) == 503);
}

TEST_CASE_METHOD(Fixture, "a drain of the core is remembered beside its database", "[drain]") {
  CHECK(order(R"({"action":"drain"})").status == 200);
  {
    Drain next(file, clock);
    next.load();
    CHECK(next.is_drained());
    auto asked = request("GET", "/drain");
    CHECK((*json::parse(next.handle(asked).body))["drained"]["reason"] == "drain by 127.0.0.1");
  }
  CHECK(order(R"({"action":"undrain"})").status == 200);
  CHECK_FALSE(std::filesystem::exists(file));
  std::ofstream(file) << "nonsense";
  Drain careful(file, clock);
  careful.load();
  CHECK(careful.is_drained());
  std::filesystem::remove_all(folder.path());
  CHECK(order(R"({"action":"drain"})").status == 503);
  CHECK_FALSE(drain.is_drained());
}

TEST_CASE_METHOD(Fixture, "orders that are not understood change nothing", "[drain]") {
  for (const char* body : {"", "[]", "{}", R"({"action":"begin"})", R"({"action":"drain","force":true})", R"({"action":1})"}) {
    INFO(body);
    CHECK(order(body).status == 400);
  }
  auto form = request("POST", "/drain", R"({"action":"drain"})");
  form.headers.set("Content-Type", "text/plain");
  CHECK(drain.handle(form).status == 415);
  auto other = request("DELETE", "/drain");
  CHECK(drain.handle(other).status == 404);
  CHECK_FALSE(drain.is_drained());
}
