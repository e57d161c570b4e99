#include "shared/core/core.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "shared/base/ids.h"
#include "shared/core/cleaner.h"
#include "shared/core/database_choice.h"
#include "shared/core/plugin_settings.h"
#include "tests/support/engine/live_world.h"

using namespace dynflow;
using namespace dynflow::core;
using test::parsed;

namespace {

struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / ("core-test-" + random_hex(8))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path / name).parent_path());
    std::ofstream(path / name) << text;
  }
  const std::filesystem::path path;
};

http::Response ask(Core& core, std::string method, const std::string& path, std::string body = {}) {
  http::Request request;
  request.method = std::move(method);
  request.target = request.path = path;
  request.headers.add("Host", "proxy:9090");
  request.request_id = "request-1";
  request.body = http::body_of(std::move(body));
  return core.handle(request, path, [](const http::Request&) { return nullptr; });
}

const std::string kEmptyBatch = R"({"operation":"single","input":{"action_class":"Proxy::Dynflow::Action::Batch","action_input":{}}})";

}  // namespace

TEST_CASE("a core answers between start and stop only") {
  const auto core = make_core({});
  CHECK(ask(*core, "GET", "/tasks/count").status == 503);
  REQUIRE(core->start().ok());
  REQUIRE(core->start().ok());
  CHECK(ask(*core, "GET", "/tasks/count").body == R"({"count":0,"state":"all"})");
  CHECK(core->operations() == std::vector<std::string>{"single"});
  CHECK(core->features().empty());
  CHECK(ask(*core, "POST", "/tasks/launch", kEmptyBatch).status == 200);
  core->stop(Deadline::after(std::chrono::seconds(5)));
  core->stop(Deadline::after(std::chrono::seconds(5)));
  const auto refused = ask(*core, "GET", "/tasks/count");
  CHECK(refused.status == 503);
  CHECK_FALSE(json::get_string(parsed(refused.body), "error").empty());
  CHECK(core->start().error().code() == Code::kClosed);
}

TEST_CASE("tasks of a file are there after a restart") {
  const Folder folder;
  CoreOptions options;
  options.database = (folder.path / "dynflow.sqlite").string();
  std::string id;
  {
    const auto core = make_core(options);
    REQUIRE(core->start().ok());
    id = json::get_string(parsed(ask(*core, "POST", "/tasks/launch", kEmptyBatch).body), "task_id");
    core->stop(Deadline::after(std::chrono::seconds(5)));
  }
  const auto core = make_core(options);
  REQUIRE(core->start().ok());
  CHECK(json::get_string(parsed(ask(*core, "GET", "/tasks/" + id + "/status").body), "id") == id);
}

TEST_CASE("a core that cannot start says why, once") {
  CoreOptions options;
  SECTION("database") { options.database = "/proc/no/such/place.sqlite"; }
  SECTION("foreman_url") { options.foreman.url = "foreman.example.com"; }
  const auto core = make_core(options);
  const Status started = core->start();
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().message().find('\n') == std::string::npos);
  CHECK(ask(*core, "GET", "/tasks/count").status == 503);
}

TEST_CASE("plugins that are not installed are skipped") {
  CoreOptions options;
  options.plugin_directory = "/nonexistent";
  options.plugins = {"foreman_remote_execution_core.so"};
  const auto core = make_core(options);
  REQUIRE(core->start().ok());
  CHECK(ask(*core, "GET", "/tasks/operations").body == R"(["single"])");
}

TEST_CASE("the C entry gives a core for its own version only") {
  const CoreOptions options;
  CHECK(dynflow_core_v1(kFaceVersion + 1, &options) == nullptr);
  CHECK(dynflow_core_v1(kFaceVersion, nullptr) == nullptr);
  const std::unique_ptr<Core> core(dynflow_core_v1(kFaceVersion, &options));
  CHECK(core != nullptr);
}

TEST_CASE("settings of plugins come from all folders, later ones win by key") {
  const Folder folder;
  folder.write("a/test.yml", ":x: 1\n:y: 1\n");
  folder.write("b/test.yml", ":y: 2\n:z: 2\n");
  folder.write("c/test.yml", "");
  folder.write("d/test.yml", "- 1\n");
  const auto merged = plugin_settings({folder.path / "a", folder.path / "b", folder.path / "c", folder.path / "e"}, "test");
  REQUIRE(merged.ok());
  REQUIRE(merged->root.members.size() == 3);
  CHECK(merged->root.members[0].value.integer == 1);
  CHECK(merged->root.members[1].value.integer == 2);
  CHECK(merged->root.members[1].value.place().find("b/test.yml") != std::string::npos);
  CHECK(plugin_settings({folder.path / "e"}, "test")->root.is_null());
  const auto list = plugin_settings({folder.path / "d"}, "test");
  REQUIRE_FALSE(list.ok());
  CHECK(list.error().message().find("d/test.yml:1") != std::string::npos);
  CHECK_FALSE(plugin_settings({folder.path / "a"}, "../a/test").ok());
}

TEST_CASE("the cleaner removes what ended long ago, and nothing else", "[X01]") {
  test::LiveWorld live;
  live.add("Test::Noop", [](engine::Running&, const engine::Event*) {});
  engine::PlanRequest request;
  request.plan_id = "old";
  request.action_class = "Test::Noop";
  request.args = Json::object();
  std::vector<engine::PlanRequest> requests;
  requests.push_back(std::move(request));
  auto planned = live.world().trigger(std::move(requests));
  REQUIRE(planned.ok());
  live.settled("old");
  VirtualClock clock(system_clock().now());
  const Folder folder;
  const auto backup = folder.path / "backup";
  Cleaner cleaner(*live.store, std::chrono::seconds(1800), backup.string(), clock);
  cleaner.clean();
  CHECK(live.stored_plans() == 1);
  clock.advance(std::chrono::seconds(1900));
  folder.write("backup", "in the way of a folder");
  cleaner.clean();
  CHECK(live.stored_plans() == 1);  // what cannot be kept is not removed
  std::filesystem::remove(backup);
  cleaner.clean();
  CHECK(live.stored_plans() == 0);
  const std::filesystem::directory_iterator days(backup);
  REQUIRE(days != std::filesystem::directory_iterator());
  CHECK(std::filesystem::exists(days->path() / "execution_plans.csv"));
}

TEST_CASE("the environment's database comes before the setting's") {
  const auto chosen = [](const char* connection) { return choose_database("/set.sqlite", connection).value(); };
  CHECK(chosen(nullptr) == "/set.sqlite");
  for (const char* memory : {"", "sqlite:/", "sqlite://", "sqlite:///"}) CHECK(chosen(memory).empty());
  CHECK(chosen("sqlite:///var/lib/dynflow.sqlite") == "/var/lib/dynflow.sqlite");
  CHECK(chosen("sqlite:///var/lib/dynflow.sqlite?timeout=5000") == "/var/lib/dynflow.sqlite");
  CHECK(chosen("sqlite://data/dynflow.sqlite") == "data/dynflow.sqlite");
  for (const char* postgres : {"postgresql://user:hunter2@db/dynflow?sslmode=require", "postgres:///dynflow"}) {
    CHECK(chosen(postgres) == postgres);
    CHECK(is_postgres(postgres));
  }
  CHECK_FALSE(is_postgres("/set.sqlite"));
  for (const char* other : {"mysql://user:hunter2@db/dynflow", "postgres:/dynflow", "sqlite:x", "sqlite:/x", "/a/file", "x"}) {
    const auto refused = choose_database("", other);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() == Code::kInvalid);
    CHECK(refused.error().message().find("DYNFLOW_DB_CONN_STRING") == 0);
    CHECK(refused.error().message().find_first_of("\n") == std::string::npos);
    CHECK(refused.error().message().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("a core takes the database of the environment, or does not start") {
  const Folder folder;
  const auto file = folder.path / "environment.sqlite";
  CoreOptions options;
  options.database = (folder.path / "set.sqlite").string();
  setenv("DYNFLOW_DB_CONN_STRING", ("sqlite://" + file.string()).c_str(), 1);
  {
    const auto core = make_core(options);
    CHECK(core->start().ok());
  }
  setenv("DYNFLOW_DB_CONN_STRING", "postgresql://user:hunter2@127.0.0.1:1/dynflow", 1);
  const Status refused = make_core(options)->start();
  unsetenv("DYNFLOW_DB_CONN_STRING");
  CHECK(std::filesystem::exists(file));
  CHECK_FALSE(std::filesystem::exists(options.database));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message().find("PostgreSQL: connection to server at") == 0);
}

TEST_CASE("a plugin that cannot be used is told with its reason") {
  const Folder folder;
  folder.write("broken.so", "not a library\n");
  CoreOptions options;
  options.plugin_directory = folder.path;
  options.plugins = {"absent.so", "broken.so"};
  const auto core = make_core(options);
  REQUIRE(core->start().ok());
  const auto failed = core->failed_plugins();
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].file == "broken.so");
  CHECK(failed[0].reason.find("broken.so: ") == 0);
  CHECK(failed[0].reason.find('\n') == std::string::npos);
}
