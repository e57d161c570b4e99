#include "shared/api/api.h"

#include "shared/api/callback_host.h"
#include "shared/base/base64.h"
#include "shared/launcher/batch_action.h"
#include "tests/support/engine/live_world.h"

using namespace dynflow;
using test::parsed;

namespace {

const std::string kId = "6f00ad2b-131f-4754-aa0a-9a47c18d6583";

struct Fixture : test::LiveWorld {
  Fixture() {
    REQUIRE(launcher::register_batch_actions(registry).ok());
    REQUIRE(launchers.add("single", launcher::make_single_launcher()).ok());
    REQUIRE(launchers.add("ssh", launcher::make_batch_launcher()).ok());
    add("Test::Noop", [](engine::Running& running, const engine::Event*) { running.output()["result"] = "ok"; });
    add("Test::Waits",
        [](engine::Running& running, const engine::Event* event) {
          if (event == nullptr) {
            running.output()["result"] = "waits";
            running.suspend();
          } else {
            running.output()["event"] = event->name;
            running.output()["data"] = event->data;
          }
        },
        nullptr, true);
    api = std::make_unique<api::Api>(world(), launchers, passwords);
  }

  http::Response ask(std::string method, std::string path, std::string body = {}, http::Headers headers = {}) {
    http::Request request;
    request.method = std::move(method);
    const auto question = path.find('?');
    request.target = path;
    request.has_query = question != std::string::npos;
    if (request.has_query) request.query = path.substr(question + 1);
    path.resize(std::min(question, path.size()));
    request.path = path;
    request.headers = std::move(headers);
    request.headers.add("Host", "proxy.example.com:9090");
    request.request_id = "request-1";
    request.body = http::body_of(std::move(body));
    return api->handle(request, path, [this](const http::Request&) -> std::unique_ptr<http::Response> {
      if (is_authorised) return nullptr;
      return std::make_unique<http::Response>(http::text_response(403, "No client SSL certificate supplied", "application/json"));
    });
  }
  // A suspended task.
  void launch_waiting() {
    const auto answer = ask("POST", "/tasks/launch",
                            R"({"operation":"ssh","input":{")" + kId + R"(":{"action_class":"Test::Waits","action_input":{}}}})");
    REQUIRE(answer.status == 200);
  }
  http::Headers password(const std::string& user, const std::string& text) {
    http::Headers headers;
    headers.add("Authorization", "Basic " + launcher::OneTimePasswords::tokenize(user, text));
    return headers;
  }

  launcher::LauncherRegistry launchers;
  launcher::OneTimePasswords passwords;
  std::unique_ptr<api::Api> api;
  bool is_authorised = true;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "the routes that look") {
  CHECK(ask("GET", "/tasks/operations").body == R"(["single","ssh"])");
  CHECK(ask("GET", "/tasks/count").body == R"({"count":0,"state":"all"})");
  CHECK(ask("GET", "/tasks/%63ount").body == R"({"count":0,"state":"all"})");
  CHECK(ask("GET", "/tasks/count?state=stopped").body == R"({"count":0,"state":"stopped"})");
  CHECK(ask("GET", "/tasks/count?state=bogus").body == R"({"count":0,"state":"bogus"})");
  CHECK(ask("HEAD", "/tasks/count").status == 200);
  const auto unknown = ask("GET", "/tasks/foo/status");
  CHECK(unknown.status == 404);
  CHECK(unknown.body == "{}");
  for (const char* body : {"{}", R"({"task_ids":null})", R"({"task_ids":[]})", R"({"task_ids":[null,"x",null]})"}) {
    const auto states = ask("POST", "/tasks/status", body);
    CHECK(states.status == 200);
    CHECK(states.body == "{}");
    CHECK(states.headers.get("Content-Type") == "application/json");
    CHECK(states.headers.get("X-Content-Type-Options") == "nosniff");
  }
  CHECK(ask("POST", "/tasks/statuses", R"({"task_ids":["x"]})").body == "{}");
}

TEST_CASE_METHOD(Fixture, "unknown routes and methods") {
  struct Case {
    const char* method;
    const char* path;
  };
  for (const Case& one : std::initializer_list<Case>{{"GET", ""}, {"GET", "/"}, {"GET", "/nothing"}, {"GET", "/tasks/launch"}, {"PUT", "/tasks/launch"},
                          {"POST", "/tasks/count"}, {"DELETE", "/tasks/x/status"}, {"GET", "/tasks/operations/"},
                          {"GET", "/tasks/x/cancel"}, {"POST", "/tasks/x/cancel/"}, {"GET", "/console"}}) {
    INFO(one.method << " " << one.path);
    const auto answer = ask(one.method, one.path);
    CHECK(answer.status == 404);
    CHECK(answer.body == "Requested url was not found");
    CHECK(answer.headers.get("X-Cascade") == "pass");
    CHECK(answer.headers.get("Content-Type") == "application/json");
  }
}

TEST_CASE_METHOD(Fixture, "bad input is answered with its status and an error, and stores nothing") {
  struct Case {
    const char* path;
    std::string body;
    int status;
    std::string error;  // part of the text
  };
  const std::vector<Case> cases{
      {"/tasks/launch", R"({"operation": )", 400, ""},
      {"/tasks/launch", "", 400, ""},
      {"/tasks/launch", "[]", 400, "must be a JSON object"},
      {"/tasks/launch", "null", 400, "must be a JSON object"},
      {"/tasks/launch", std::string(200, '['), 422, ""},
      {"/tasks/launch", "{\"operation\":\"\xff\"}", 400, ""},
      {"/tasks/launch", "{}", 400, "operation"},
      {"/tasks/launch", R"({"operation":5})", 400, "operation"},
      {"/tasks/launch", R"({"operation":"nope","input":{}})", 404, "Unknown operation 'nope' requested."},
      {"/tasks/launch", R"({"operation":"ssh","input":{},"options":[]})", 400, "options"},
      {"/tasks/launch", R"({"operation":"ssh","input":[]})", 400, "input"},
      {"/tasks/launch", R"({"operation":"ssh","input":{"a":{"action_class":"No::Such","action_input":{}}}})", 422, "No::Such"},
      {"/tasks/launch", R"({"operation":"single"})", 400, "input"},
      {"/tasks/launch", R"({"operation":"single","input":{"action_class":"No::Such","action_input":{}}})", 422, "No::Such"},
      {"/tasks", "{}", 400, "action_name"},
      {"/tasks/", R"({"action_name":"Test::Noop"})", 400, "action_input"},
      {"/tasks", R"({"action_name":"Test::Noop","action_input":5})", 400, "action_input"},
      {"/tasks", R"({"action_name":"No::Such","action_input":{}})", 422, "No::Such"},
      {"/tasks/status", "{", 400, ""},
      {"/tasks/status", R"({"task_ids":"x"})", 400, "task_ids"},
      {"/tasks/status", R"({"task_ids":[5]})", 400, "task_ids"},
      {"/tasks/statuses", "{}", 422, "task_ids"},
      {"/tasks/statuses", R"({"task_ids":[]})", 422, "task_ids"},
      {"/tasks/x/cancel", "", 404, "'x'"},
      {"/tasks/x/update", "{", 400, ""},
      {"/tasks/x/update", "[]", 400, "must be a JSON object"},
      {"/tasks/x/update", "{}", 400, "step_id"},
      {"/tasks/x/done", R"({"step_id":"2"})", 400, "step_id"},
      {"/tasks/x/done", R"({"step_id":0})", 400, "step_id"},
      {"/tasks/x/done", R"({"step_id":99999999999999})", 400, "step_id"},
  };
  for (const Case& one : cases) {
    INFO(one.path << " " << one.body.substr(0, 100));
    const auto answer = ask("POST", one.path, one.body);
    CHECK(answer.status == one.status);
    const Json document = parsed(answer.body);
    const std::string error = json::get_string(document, "error");
    CHECK_FALSE(error.empty());
    CHECK(error.find(one.error) != std::string::npos);
    CHECK(answer.headers.get("Content-Type") == "application/json");
  }
  CHECK(stored_plans() == 0);
}

TEST_CASE_METHOD(Fixture, "a launched task is seen by every route") {
  const auto launched = ask("POST", "/tasks/launch/",
                            R"({"operation":"ssh","input":{")" + kId +
                                R"(":{"action_class":"Test::Noop","action_input":{"proxy_url":"https://p:1"}}},"options":{}})");
  REQUIRE(launched.status == 200);
  CHECK(json::get_string(parsed(launched.body)[kId], "task_id") == kId);
  settled(kId);
  CHECK(ask("POST", "/tasks/status", R"({"task_ids":[null,")" + kId + R"(","x"]})").body ==
        R"({")" + kId + R"(":{"state":"stopped","result":"success"}})");
  const Json document = parsed(ask("GET", "/tasks/" + kId + "/status").body);
  CHECK(json::get_string(document["actions"][0]["input"], "callback_host") == "https://p:1");
  CHECK(parsed(ask("POST", "/tasks/statuses", R"({"task_ids":[")" + kId + R"(","x",")" + kId + R"("]})").body)[kId] == document);
  CHECK(ask("POST", "/tasks/" + kId + "/cancel").body == R"({"task_id":")" + kId + R"(","canceled_steps_count":0})");
  settled(json::get_string(parsed(launched.body)["parent"], "task_id"));
  CHECK(ask("GET", "/tasks/count?state=stopped").body == R"({"count":2,"state":"stopped"})");

  const auto created = ask("POST", "/tasks/", R"({"action_name":"Test::Noop","action_input":{}})");
  REQUIRE(created.status == 200);
  const Json id = parsed(created.body);
  CHECK(id.size() == 1);
  CHECK(settled(json::get_string(id, "task_id")).label == "Test::Noop");
}

TEST_CASE_METHOD(Fixture, "every route asks for authorisation, unknown ones too") {
  is_authorised = false;
  for (const char* path : {"/tasks/launch", "/tasks", "/tasks/status", "/tasks/statuses", "/tasks/x/cancel", "/nothing",
                           "/tasks/x/update", "/tasks/x/done"}) {
    INFO(path);
    const auto answer = ask("POST", path, R"({"step_id":2})");
    CHECK(answer.status == 403);
    CHECK(answer.body == "No client SSL certificate supplied");
  }
  for (const char* path : {"/tasks/count", "/tasks/operations", "/tasks/x/status"}) CHECK(ask("GET", path).status == 403);
  // A password opens the two routes of hosts only.
  CHECK(ask("POST", "/tasks/" + kId + "/cancel", "", password(kId, passwords.generate(kId))).status == 403);
}

TEST_CASE_METHOD(Fixture, "a host reports with its password until it is done") {
  launch_waiting();
  is_authorised = false;
  const std::string otp = passwords.generate(kId);
  const std::string event = R"({"step_id":2,"output":"line"})";
  const auto refused = [&](http::Headers headers) {
    const auto answer = ask("POST", "/tasks/" + kId + "/update", event, std::move(headers));
    CHECK(answer.status == 403);
    CHECK(answer.body == R"({"error":"Invalid username or password supplied"})");
  };
  refused(password(kId, "wrong"));
  refused(password(kId, ""));
  refused(password("other", otp));
  for (const std::string& text : std::vector<std::string>{"", "Basic", "Basic ", "Bearer foo", "Basic %%%", "Basic " + base64_encode(kId)}) {
    http::Headers headers;
    headers.add("Authorization", text);
    refused(std::move(headers));
  }
  // Without a password of its own no task lets anybody in.
  passwords.drop(kId);
  refused(password(kId, ""));
  const std::string again = passwords.generate(kId);
  CHECK(ask("POST", "/tasks/" + kId + "/update", R"({"step_id":77})", password(kId, again)).status == 200);
  const auto done = ask("POST", "/tasks/" + kId + "/done", event, password(kId, again));
  CHECK(done.status == 200);
  CHECK(done.body.empty());
  CHECK(ask("POST", "/tasks/" + kId + "/done", event, password(kId, again)).status == 403);
  const Json output = parsed(settled(kId).actions.front().output);
  CHECK(json::get_string(output, "event") == api::kExternalEvent);
  CHECK(json::get_string(output["data"], "output") == "line");
}

TEST_CASE_METHOD(Fixture, "authorised clients may report without a password, also about what is gone") {
  for (const char* path : {"/tasks/x/update", "/tasks/x/done"}) {
    const auto answer = ask("POST", path, R"({"step_id":2})");
    CHECK(answer.status == 200);
    CHECK(answer.body.empty());
  }
}

TEST_CASE_METHOD(Fixture, "a waiting task is cancelled") {
  launch_waiting();
  // The step may not have begun: then there is nothing to cancel yet.
  std::string body;
  for (int attempt = 0; attempt < 2000 && body.find(":1}") == std::string::npos; ++attempt) {
    body = ask("POST", "/tasks/" + kId + "/cancel").body;
  }
  CHECK(body == R"({"task_id":")" + kId + R"(","canceled_steps_count":1})");
  CHECK(json::get_string(parsed(settled(kId).actions.front().output), "event") == engine::kCancel);
}

TEST_CASE_METHOD(Fixture, "while the proxy stops nothing is launched, and the rest is answered") {
  api->stop_launching();
  for (const char* path : {"/tasks/launch", "/tasks"}) {
    const auto answer = ask("POST", path, R"({"operation":"ssh","input":{}})");
    CHECK(answer.status == 503);
    CHECK(answer.headers.has("Retry-After"));
    CHECK_FALSE(json::get_string(parsed(answer.body), "error").empty());
  }
  CHECK(ask("GET", "/tasks/count").status == 200);
  CHECK(stored_plans() == 0);
}

TEST_CASE("where hosts reach the proxy") {
  http::Request request;
  request.local_address = "192.0.2.1:8000";
  const Json none = Json::object();
  CHECK(api::callback_host(none, request) == "http://192.0.2.1:8000");
  request.headers.add("Host", "proxy:9090");
  CHECK(api::callback_host(none, request) == "http://proxy:9090");
  request.peer.is_tls = true;
  CHECK(api::callback_host(none, request) == "https://proxy:9090");
  request.headers.add("X-Forwarded-For", "outer:9090, 192.0.2.2");
  CHECK(api::callback_host(none, request) == "https://outer:9090");
  request.headers.add("X-Forwarded-Proto", "http");
  CHECK(api::callback_host(none, request) == "http://outer:9090");
  request.headers.set("X-Forwarded-For", "evil/path");
  CHECK(api::callback_host(none, request) == "https://proxy:9090");
  const Json single = parsed(R"({"action_class":"A","action_input":{"proxy_url":"https://p:8443"}})");
  CHECK(api::callback_host(single, request) == "https://p:8443");
  CHECK(api::callback_host(parsed(R"({"id":{"action_input":{"proxy_url":"https://q"}}})"), request) == "https://q");
}
