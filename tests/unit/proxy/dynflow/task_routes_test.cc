#include "proxy/dynflow/task_routes.h"

#include <catch2/catch.hpp>

#include "proxy/dynflow/mode_routes.h"
#include "proxy/dynflow/side_questions.h"
#include "shared/json/json.h"
#include "tests/unit/proxy/dynflow/fake_side.h"

using namespace dynflow;
using namespace dynflow::proxy;
using namespace std::chrono_literals;
using test::FakeSide;
using Ids = std::vector<std::string>;

namespace {

struct Fixture {
  explicit Fixture(bool is_ruby = false) : other(std::make_shared<FakeSide>("other", is_ruby)) {
    ModeControl::Options options;
    options.make_own = [this]() -> Result<std::shared_ptr<Backend>> { return std::shared_ptr<Backend>(own); };
    options.make_other = [this]() -> Result<std::shared_ptr<Backend>> { return std::shared_ptr<Backend>(other); };
    options.looks_by_itself = false;
    control.emplace(std::move(options));
    auto anybody = std::make_shared<const Authorization>(TrustPolicy{}, system_host_names(1s));
    routes.emplace(*control, anybody);
    mode.emplace(*control, anybody, [this] { ++reloads; });
  }
  // A hand-over with tasks on both sides: o1 (running) and o2 (stopped) here, x1 and x2 there.
  void begin(ModeState state) {
    REQUIRE(control->start(state, std::nullopt, "test"));
    own->set("o1", "running");
    own->set("o2", "stopped");
    other->set("x1", "running");
    other->set("x2", "stopped");
  }
  http::Response send(const std::string& method, const std::string& path, const std::string& body = {}) {
    auto request = question(method, path, body, Deadline::after(10s));
    request.peer = peer;
    if (!token.empty()) request.headers.add("Authorization", token);
    const std::string_view plain = std::string_view(path).substr(0, path.find('?'));
    auto answer = ModeRoutes::is_own(plain) ? mode->handle(request, plain) : routes->handle(request, plain);
    answer.body = *take_body(answer);
    return answer;
  }
  Json json_of(const http::Response& answer) {
    INFO(answer.body);
    REQUIRE(answer.status == 200);
    return *json::parse(answer.body);
  }
  http::Response launch(const Ids& ids) {
    Json input = Json::object();
    for (const std::string& id : ids) input[id] = Json{{"action_class", "A"}, {"action_input", Json::object()}};
    return send("POST", "/tasks/launch", json::dump(Json{{"operation", "ssh"}, {"input", input}}));
  }

  int reloads = 0;
  http::Peer peer;
  std::string token;
  std::shared_ptr<FakeSide> own = std::make_shared<FakeSide>("own");
  std::shared_ptr<FakeSide> other;
  std::optional<ModeControl> control;
  std::optional<TaskRoutes> routes;
  std::optional<ModeRoutes> mode;
};

struct WithRuby : Fixture {
  WithRuby() : Fixture(true) {}
};

}  // namespace

TEST_CASE_METHOD(Fixture, "launches go to the target of the state", "[hand-over]") {
  const auto state = GENERATE(ModeState::kInProcess, ModeState::kExternal, ModeState::kToInProcess, ModeState::kToExternal);
  begin(state);
  const bool is_own = row_of(state).target == Side::kOwn;
  CHECK(json_of(launch({"n1", "n2"}))["parent"]["task_id"] == (is_own ? "own-parent" : "other-parent"));
  CHECK(own->launched() == (is_own ? Ids{"n1", "n2"} : Ids{}));
  CHECK(other->launched() == (is_own ? Ids{} : Ids{"n1", "n2"}));
}

TEST_CASE_METHOD(Fixture, "what is about a task goes to the side that has it", "[hand-over]") {
  begin(GENERATE(ModeState::kToInProcess, ModeState::kToExternal));
  for (const auto& [method, action] : {std::pair("GET", "status"), std::pair("POST", "cancel"), std::pair("POST", "update"),
                                       std::pair("POST", "done"), std::pair("GET", "next/2")}) {
    for (const char* id : {"o1", "x1"}) {
      const std::string path = std::string("/tasks/") + id + "/" + action;
      CHECK(json_of(send(method, path))["on"] == (id[0] == 'o' ? "own" : "other"));
    }
  }
  CHECK(send("GET", "/tasks/unknown/status").status == 404);
}

TEST_CASE_METHOD(Fixture, "while the core service is away its tasks are not answered for", "[hand-over]") {
  begin(ModeState::kToInProcess);
  other->is_away = true;
  CHECK(json_of(send("GET", "/tasks/o1/status"))["on"] == "own");
  const auto answer = send("GET", "/tasks/x1/status");
  CHECK(answer.status == 503);
  CHECK(answer.headers.has("Retry-After"));
  CHECK(send("GET", "/tasks/unknown/status").status == 503);
}

TEST_CASE_METHOD(Fixture, "bulk answers are whole or 503", "[hand-over]") {
  begin(GENERATE(ModeState::kToInProcess, ModeState::kToExternal));
  const std::string path = GENERATE("/tasks/status", "/tasks/statuses");
  const std::string both = R"({"task_ids":["o1","x1","nobody",null,"o2","x2"]})";
  const Json all = json_of(send("POST", path, both));
  CHECK(all.size() == 4);
  CHECK(all["o1"]["state"] == "running");
  CHECK(all["x2"]["state"] == "stopped");
  CHECK(json_of(send("POST", path, R"({"task_ids":["x1"]})")).size() == 1);
  CHECK(json_of(send("POST", path, R"({"task_ids":["o1"]})")).size() == 1);
  CHECK(json_of(send("POST", path, R"({"task_ids":["nobody"]})")).empty());
  CHECK(send("POST", path, "no JSON").status == 400);

  other->talks_nonsense = true;
  CHECK(send("POST", path, both).status == 503);
  other->talks_nonsense = false;
  other->is_away = true;
  CHECK(send("POST", path, both).status == 503);
  // Nothing of the other side is missing in this one.
  CHECK(json_of(send("POST", path, R"({"task_ids":["o1","o2"]})")).size() == 2);
}

// Tasks whose inputs are as deep as inputs may be have deeper documents.
TEST_CASE_METHOD(Fixture, "bulk answers are whole or 503, whatever is in them", "[hand-over]") {
  begin(GENERATE(ModeState::kToInProcess, ModeState::kToExternal));
  const std::string both = R"({"task_ids":["o1","x1"]})";
  for (FakeSide* side : {own.get(), other.get()}) {
    side->depth = 150;
    const auto deep = send("POST", "/tasks/statuses", both);
    CHECK(deep.status == 200);
    CHECK(deep.body.find("\"o1\"") != std::string::npos);
    CHECK(deep.body.find("\"x1\"") != std::string::npos);
    side->depth = 900;
    CHECK(send("POST", "/tasks/statuses", both).status == 503);
    side->depth = 0;
  }
}

TEST_CASE_METHOD(Fixture, "an answer to a launch that breaks off is no answer", "[hand-over]") {
  begin(ModeState::kToExternal);
  other->breaks_off = true;
  CHECK(launch({"n1"}).status == 502);
}

TEST_CASE_METHOD(WithRuby, "documents of a core without the bulk route are fetched one by one", "[hand-over]") {
  begin(ModeState::kToInProcess);
  const Json all = json_of(send("POST", "/tasks/statuses", R"({"task_ids":["o1","x1","nobody","x2"]})"));
  CHECK(all.size() == 3);
  CHECK(all["x1"]["on"] == "other");
  CHECK(other->asked() == Ids{"GET /tasks/x1/status", "GET /tasks/x2/status"});
}

TEST_CASE_METHOD(Fixture, "counts are added for every state", "[hand-over]") {
  begin(GENERATE(ModeState::kToInProcess, ModeState::kToExternal));
  CHECK(json_of(send("GET", "/tasks/count")) == Json{{"count", 4}, {"state", "all"}});
  CHECK(json_of(send("GET", "/tasks/count?state=running")) == Json{{"count", 2}, {"state", "running"}});
  CHECK(json_of(send("GET", "/tasks/count?state=bogus")) == Json{{"count", 0}, {"state", "bogus"}});
  other->is_away = true;
  CHECK(json_of(send("GET", "/tasks/count?state=running"))["count"] == 2);  // the last one known
  CHECK(json_of(send("GET", "/tasks/count?state=stopped"))["count"] == 1);
  own->is_away = true;
  CHECK(send("GET", "/tasks/count").status == 503);
}

TEST_CASE_METHOD(Fixture, "an id that the old side has is never launched again", "[hand-over]") {
  const auto state = GENERATE(ModeState::kToInProcess, ModeState::kToExternal);
  begin(state);
  const bool is_own = row_of(state).target == Side::kOwn;
  const std::string held = is_own ? "x1" : "o1";
  CHECK(json_of(launch({held}))[held]["task_id"] == held);
  const Json mixed = json_of(launch({held, "new"}));
  CHECK(mixed[held]["result"] == "success");
  CHECK(mixed["new"]["result"] == "success");
  CHECK(mixed["parent"]["task_id"] == (is_own ? "own-parent" : "other-parent"));
  CHECK((is_own ? own : other)->launched() == Ids{"new"});
  CHECK((is_own ? other : own)->launched() == Ids{});
}

TEST_CASE_METHOD(WithRuby, "a Ruby core is not asked to launch again what it has", "[hand-over]") {
  begin(ModeState::kToInProcess);
  const Json answer = json_of(launch({"x1", "new"}));
  CHECK(answer["x1"] == Json{{"result", "success"}, {"task_id", "x1"}});
  CHECK(answer["new"]["result"] == "success");
  CHECK(own->launched() == Ids{"new"});
  CHECK(other->launched() == Ids{});
}

TEST_CASE_METHOD(WithRuby, "cores that make ids of their own are known by what they answered", "[hand-over]") {
  begin(ModeState::kToInProcess);
  other->set("uuid-1", "running");
  control->owners().remember("plan-1", Side::kOther, "uuid-1");
  CHECK(json_of(launch({"plan-1"}))["plan-1"]["task_id"] == "uuid-1");
  CHECK(own->launched() == Ids{});
}

TEST_CASE_METHOD(WithRuby, "what a core answered before the hand-over counts, however long the answer was", "[hand-over]") {
  begin(ModeState::kExternal);
  other->makes_ids = true;
  other->streams = GENERATE(false, true);
  CHECK(json_of(launch({"plan-1"}))["plan-1"]["task_id"] == "uuid-plan-1");
  REQUIRE(control->change(ModeEvent::kAskInProcess, "test"));
  CHECK(json_of(launch({"plan-1"}))["plan-1"]["task_id"] == "uuid-plan-1");
  CHECK(own->launched() == Ids{});
  CHECK(other->launched() == Ids{"uuid-plan-1"});
}

TEST_CASE_METHOD(Fixture, "nothing is launched while nobody knows whether the old side has it", "[hand-over]") {
  begin(ModeState::kToInProcess);
  other->is_away = true;
  CHECK(launch({"new"}).status == 503);
  CHECK(own->launched() == Ids{});
  // Without an id of Foreman's it is new.
  CHECK(send("POST", "/tasks/launch", R"({"operation":"single","input":{}})").status == 200);
}

TEST_CASE_METHOD(Fixture, "after the hand-over the old side is asked as far as it answers", "[hand-over]") {
  begin(ModeState::kToInProcess);
  REQUIRE(control->change(ModeEvent::kFinish, "test", true));
  CHECK(json_of(send("GET", "/tasks/x2/status"))["on"] == "other");
  CHECK(json_of(send("POST", "/tasks/status", R"({"task_ids":["o1","x2"]})")).size() == 2);
  CHECK(json_of(send("GET", "/tasks/count"))["count"] == 2);
  CHECK(json_of(launch({"x2"}))["x2"]["result"] == "success");
  CHECK(own->launched() == Ids{});
  other->is_away = true;
  CHECK(json_of(send("POST", "/tasks/status", R"({"task_ids":["o1","gone"]})")).size() == 1);
  CHECK(send("GET", "/tasks/gone/status").status == 404);
  CHECK(json_of(launch({"new"}))["new"]["result"] == "success");
}

TEST_CASE_METHOD(Fixture, "the console of the old side has a place of its own", "[hand-over]") {
  begin(ModeState::kToInProcess);
  CHECK(json_of(send("GET", "/console/worlds"))["console"] == "own");
  CHECK(json_of(send("GET", "/legacy/console/worlds"))["console"] == "other");
  CHECK(json_of(send("GET", "/legacy/console"))["console"] == "other");
  CHECK(other->asked() == Ids{"GET /dynflow/legacy /console/worlds", "GET /dynflow/legacy /console"});
  CHECK(send("GET", "/%6cegacy/console").status == 404);
  peer.is_tls = true;
  CHECK(send("GET", "/legacy/console").status == 403);
}

TEST_CASE_METHOD(Fixture, "every route asks for a certificate, or a token where the task's owner compares it", "[hand-over]") {
  begin(GENERATE(ModeState::kToInProcess, ModeState::kToExternal));
  peer.is_tls = true;
  for (const char* path : {"/tasks/launch", "/tasks", "/tasks/status", "/tasks/statuses", "/tasks/o1/cancel", "/tasks/x1/update",
                           "/tasks/x1/done", "/mode"}) {
    INFO(path);
    CHECK(send("POST", path, "{}").status == 403);
  }
  for (const char* path : {"/tasks/count", "/tasks/o1/status", "/tasks/x1/status", "/mode"}) CHECK(send("GET", path).status == 403);
  token = "Basic eDE6c2VjcmV0";  // x1:secret
  CHECK(json_of(send("POST", "/tasks/x1/done"))["on"] == "other");
  CHECK(send("POST", "/tasks/o1/done").status == 403);
  CHECK(send("POST", "/tasks/x1/cancel").status == 403);
  CHECK(send("GET", "/tasks/x1/status").status == 403);
}

TEST_CASE_METHOD(Fixture, "the mode can be read and changed", "[mode]") {
  begin(ModeState::kExternal);
  CHECK(json_of(send("GET", "/mode"))["state"] == "external");
  const Json begun = json_of(send("POST", "/mode", R"({"action":"begin","external_core":false})"));
  CHECK(begun["state"] == "hand-over to in-process");
  CHECK(begun["sides"]["external"]["task_ids"] == Json::array({"x1"}));
  CHECK(json_of(send("POST", "/mode", R"({"action":"begin","external_core":false})"))["state"] == begun["state"]);
  CHECK(send("POST", "/mode", R"({"action":"finish"})").status == 409);
  CHECK(json_of(send("POST", "/mode", R"({"action":"cancel"})"))["state"] == "hand-over to external");
  own->set("o1", "stopped");
  CHECK(json_of(send("POST", "/mode", R"({"action":"finish"})"))["state"] == "external");
  CHECK(send("POST", "/mode", R"({"action":"finish"})").status == 409);
  CHECK(send("POST", "/mode", R"({"action":"cancel"})").status == 409);
  CHECK(send("DELETE", "/mode").status == 404);
}

TEST_CASE_METHOD(Fixture, "an order to reload is passed on, and tells how things are", "[mode]") {
  begin(ModeState::kExternal);
  const auto answer = send("POST", "/mode", R"({"action":"reload"})");
  CHECK(answer.status == 202);
  CHECK((*json::parse(answer.body))["state"] == "external");
  CHECK(reloads == 1);
  for (const char* body : {R"({"action":"reload","force":true})", R"({"action":"reload","external_core":true})"}) {
    CHECK(send("POST", "/mode", body).status == 400);
  }
  CHECK(reloads == 1);
}

TEST_CASE_METHOD(Fixture, "a drained proxy starts nothing and answers for what it has", "[mode]") {
  begin(GENERATE(ModeState::kInProcess, ModeState::kExternal, ModeState::kToInProcess, ModeState::kToExternal));
  CHECK(json_of(send("GET", "/mode"))["drained"].is_null());
  const Json drained = json_of(send("POST", "/mode", R"({"action":"drain"})"));
  CHECK(drained["drained"].contains("since"));
  CHECK(json_of(send("POST", "/mode", R"({"action":"drain"})"))["drained"] == drained["drained"]);
  const std::string known = control->view().target() == Side::kOwn ? "o1" : "x1";
  for (const auto& answer : {launch({"n1"}), launch({known, "n1"}), send("POST", "/tasks", R"({"action_name":"A","action_input":{}})"),
                             send("POST", "/tasks/launch", "no JSON"), send("GET", "/tasks/count?state=running")}) {
    INFO(answer.body);
    CHECK(answer.status == 503);
    CHECK(answer.headers.get("Retry-After") == "30");
  }
  CHECK(own->launched().empty());
  CHECK(other->launched().empty());
  // Foreman repeats a launch whose answer was lost: a refusal would end a job that runs.
  CHECK(json_of(launch({known}))[known]["result"] == "success");
  CHECK(json_of(send("GET", "/tasks/" + known + "/status"))["state"] == "running");
  CHECK(json_of(send("POST", "/tasks/status", R"({"task_ids":[")" + known + R"("]})")).size() == 1);
  CHECK(send("POST", "/mode", R"({"action":"drain","force":true})").status == 400);
  CHECK(send("POST", "/mode", R"({"action":"undrain","external_core":true})").status == 400);
  CHECK(json_of(send("POST", "/mode", R"({"action":"undrain"})"))["drained"].is_null());
  CHECK(launch({"n1"}).status == 200);
  CHECK(send("GET", "/tasks/count?state=running").status == 200);
}

TEST_CASE_METHOD(Fixture, "a repeated launch that is spread over both sides is answered by both while drained", "[mode]") {
  begin(ModeState::kToInProcess);
  json_of(send("POST", "/mode", R"({"action":"drain"})"));
  const Json answers = json_of(launch({"o1", "x1"}));
  CHECK(answers["o1"]["task_id"] == "o1");
  CHECK(answers["x1"]["task_id"] == "x1");
  other->is_away = true;
  CHECK(launch({"o1", "x1"}).status == 503);
}

TEST_CASE_METHOD(WithRuby, "a Ruby core is not asked again for what it has while drained", "[mode]") {
  begin(ModeState::kExternal);
  json_of(send("POST", "/mode", R"({"action":"drain"})"));
  CHECK(json_of(launch({"x1"}))["x1"] == Json{{"result", "success"}, {"task_id", "x1"}});
  CHECK(other->launched().empty());
}

TEST_CASE_METHOD(Fixture, "a drain is an order like others: with a certificate, in JSON", "[mode]") {
  begin(ModeState::kInProcess);
  json_of(send("POST", "/mode", R"({"action":"drain"})"));
  peer.is_tls = true;
  CHECK(launch({"n1"}).status == 403);
  CHECK(send("GET", "/tasks/count").status == 403);
  CHECK(send("POST", "/mode", R"({"action":"undrain"})").status == 403);
  CHECK(control->is_drained());
}

TEST_CASE_METHOD(Fixture, "an order that is not understood changes nothing", "[mode]") {
  begin(ModeState::kExternal);
  for (const char* body : {"", "[]", "{}", R"({"action":"begin"})", R"({"action":"begin","external_core":"false"})",
                           R"({"action":"begin","external_core":null})", R"({"action":"flip"})", R"({"action":"cancel","external_core":true})",
                           R"({"action":"begin","external_core":false,"force":"yes"})", R"({"action":"begin","external_core":false,"x":1})"}) {
    INFO(body);
    CHECK(send("POST", "/mode", body).status == 400);
  }
  auto form = question("POST", "/mode", R"({"action":"begin","external_core":false})", Deadline::after(10s));
  form.headers.set("Content-Type", "text/plain");
  CHECK(mode->handle(form, "/mode").status == 415);
  CHECK(control->view().state == ModeState::kExternal);
  other->is_away = true;
  CHECK(send("POST", "/mode", R"({"action":"begin","external_core":true})").status == 200);
}
