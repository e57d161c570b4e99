#include "shared/api/console/console.h"

#include <set>

#include "shared/api/console/style.h"
#include "tests/support/engine/live_world.h"

using namespace dynflow;
using api::console::Console;
using persistence::PlanRecord;
using persistence::PlanResult;
using persistence::PlanState;
using persistence::WriteBatch;
using test::parsed;

namespace {

using Paths = std::vector<std::string>;

struct Fixture : test::LiveWorld {
  Fixture() {
    add("Test::Noop", [](engine::Running& running, const engine::Event*) { running.output()["done"] = running.input()["text"]; });
    add("Test::Fails", [this](engine::Running&, const engine::Event*) {
      if (is_broken) throw engine::ActionError("RuntimeError", "it <b>broke</b>");
    });
    add("Test::Waits",
        [](engine::Running& running, const engine::Event* event) {
          if (event == nullptr) running.suspend();
        },
        nullptr, true);
    console = std::make_unique<Console>(world());
  }

  http::Response ask(std::string method, std::string path, std::string body = {}, http::Headers headers = {}) {
    http::Request request;
    request.method = std::move(method);
    const auto question = path.find('?');
    request.target = path;
    if (question != std::string::npos) request.query = path.substr(question + 1);
    path.resize(std::min(question, path.size()));
    request.path = path;
    request.headers = std::move(headers);
    request.headers.add("Host", "proxy.example.com");
    request.headers.add("Cookie", "dynflow_console=0123456789abcdef0123456789abcdef");
    request.body = http::body_of(std::move(body));
    REQUIRE(Console::is_own(path));
    return console->handle(request, path);
  }
  std::string launch(const std::string& action_class, const std::string& text = "") {
    return launch(action_class, Json{{"text", text}}, {});
  }
  std::string launch(const std::string& action_class, Json args, Json secrets) {
    engine::PlanRequest request;
    request.action_class = action_class;
    request.args = std::move(args);
    request.secrets = std::move(secrets);
    const auto planned = world().trigger({request});
    REQUIRE(planned.ok());
    return planned->front().plan_id;
  }
  // Presses the button of the page that has this action.
  http::Response press(const std::string& plan_id, const std::string& command) {
    const std::string page = ask("GET", "/console/" + plan_id).body;
    const std::string form = "action=\"./" + plan_id + "/" + command + "\"><input type=\"hidden\" name=\"token\" value=\"";
    const auto at = page.find(form);
    REQUIRE(at != std::string::npos);
    const auto begin = at + form.size();
    http::Headers headers;
    headers.add("Content-Type", "application/x-www-form-urlencoded");
    return ask("POST", "/console/" + plan_id + "/" + command, "token=" + page.substr(begin, page.find('"', begin) - begin), headers);
  }
  void store_plan(const std::string& id, const std::string& label, PlanState state = PlanState::kStopped,
                  PlanResult result = PlanResult::kSuccess) {
    PlanRecord plan;
    plan.id = id;
    plan.label = label;
    plan.state = state;
    plan.result = result;
    WriteBatch batch;
    batch.add(WriteBatch::InsertPlan{plan});
    REQUIRE(store->commit(std::move(batch)).ok());
  }

  bool is_broken = true;
  std::unique_ptr<Console> console;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "list and detail answer", "[X05]") {
  const std::string id = launch("Test::Noop", "some text");
  settled(id);
  const auto list = ask("GET", "/console?filter=1");
  CHECK(list.status == 200);
  CHECK(list.headers.get("Content-Type") == "text/html; charset=utf-8");
  CHECK(list.body.find("href=\"console/" + id + "\">Test::Noop</a>") != std::string::npos);
  // What has stopped is not in the list that comes first.
  CHECK(ask("GET", "/console").body.find(id) == std::string::npos);

  const auto detail = ask("GET", "/console/" + id);
  CHECK(detail.status == 200);
  for (const char* part : {"Test::Noop", "some text", "success", "start execution", "finish execution"}) {
    CAPTURE(part);
    CHECK(detail.body.find(part) != std::string::npos);
  }
  CHECK(detail.body.find("http-equiv=\"refresh\"") == std::string::npos);
  CHECK(ask("GET", "/console/" + id + "/actions/1").body.find("some text") != std::string::npos);
  CHECK(ask("GET", "/console/worlds").body.find(world().id()) != std::string::npos);
  CHECK(ask("HEAD", "/console/worlds").status == 200);
  const auto status = ask("GET", "/console/status");
  CHECK(status.status == 303);
  CHECK(status.headers.get("Location") == "./worlds");
}

TEST_CASE("who names JSON first gets JSON") {
  for (const auto& [accept, is_json] : std::initializer_list<std::pair<const char*, bool>>{
           {"application/json", true}, {"application/json, text/plain, */*", true}, {"*/*", false}, {"", false},
           {"*/*, application/json,version=2", false}, {"text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8", false}}) {
    CAPTURE(accept);
    http::Request request;
    request.headers.add("Accept", accept);
    CHECK(api::console::prefers_json(request) == is_json);
  }
  CHECK_FALSE(api::console::prefers_json(http::Request{}));
}

TEST_CASE_METHOD(Fixture, "every page has a twin in JSON") {
  const std::string id = launch("Test::Noop", "some text");
  settled(id);
  http::Headers json;
  json.add("Accept", "application/json");
  for (const std::string& path : Paths{"/console", "/console/worlds", "/console/" + id, "/console/" + id + "/actions/1"}) {
    CAPTURE(path);
    const auto by_suffix = ask("GET", path + ".json");
    CHECK(by_suffix.status == 200);
    CHECK(by_suffix.headers.get("Content-Type") == "application/json");
    CHECK(parsed(by_suffix.body).is_object());
    CHECK(parsed(ask("GET", path, "", json).body).size() == parsed(by_suffix.body).size());
  }
  const Json plan = parsed(ask("GET", "/console/" + id + ".json").body);
  CHECK(plan["result"] == "success");
  CHECK(plan["steps"].size() == 2);
  CHECK(plan["run_flow"] == 2);
  const Json action = parsed(ask("GET", "/console/" + id + "/actions/1.json").body);
  CHECK(action["input"]["text"] == "some text");
  CHECK(action["output"]["done"] == "some text");
  const Json list = parsed(ask("GET", "/console.json?filter=1").body);
  CHECK(list["execution_plans"][0]["id"] == id);
  CHECK(list["counts"]["stopped"] == 1);
  CHECK(list["next"].is_null());
}

TEST_CASE_METHOD(Fixture, "nothing on a page can be run, or comes from elsewhere") {
  const std::string evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
  store_plan(evil, evil);
  const std::string id = launch("Test::Noop", evil);
  settled(id);
  const std::string path = "/console/%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%27%3E%3Cimg%20src%3Dx%20onerror%3Dalert%282%29%3E";
  for (const std::string& page : Paths{"/console?filter=1", "/console?label=" + path.substr(9), "/console/" + id, "/console/" + id + "/actions/1", path}) {
    CAPTURE(page);
    const auto answer = ask("GET", page);
    REQUIRE(answer.status == 200);
    CHECK(answer.body.find("&lt;script&gt;") != std::string::npos);
    CHECK(answer.body.find("<script") == std::string::npos);
    CHECK(answer.body.find("<img") == std::string::npos);
    CHECK(answer.body.find("http://") == std::string::npos);
    const auto policy = answer.headers.get("Content-Security-Policy");
    REQUIRE(policy);
    CHECK(policy->starts_with("default-src 'none'; style-src 'sha256-"));
    CHECK(policy->find("unsafe") == std::string_view::npos);
    CHECK(answer.headers.get("X-Frame-Options") == "DENY");
    CHECK(answer.headers.get("X-Content-Type-Options") == "nosniff");
    CHECK(answer.headers.get("Cache-Control") == "no-store");
  }
  // Only notices of ours are shown.
  CHECK(ask("GET", "/console/" + id + "?notice=Send+money+to").body.find("money") == std::string::npos);
  CHECK(ask("GET", "/console/" + id + "?notice=resumed").body.find("The execution was resumed") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "what looks secret is not shown, on pages and in JSON") {
  const std::string id =
      launch("Test::Noop", parsed(R"({"text":"visible","ssh_password":"planted-1","hosts":{"h":{"ansible_become_pass":"planted-2"}}})"),
             Json{{"key", "planted-3"}});
  settled(id);
  for (const std::string& page : Paths{"/console/" + id, "/console/" + id + ".json", "/console/" + id + "/actions/1", "/console/" + id + "/actions/1.json"}) {
    CAPTURE(page);
    CHECK(ask("GET", page).body.find("planted") == std::string::npos);
  }
  CHECK(ask("GET", "/console/" + id).body.find("ssh_password: [hidden]") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "pages of a list follow each other and lead back") {
  for (int i = 0; i < 25; ++i) store_plan("plan-" + std::to_string(100 + i), "label " + std::to_string(i % 3), PlanState::kStopped);
  for (const std::string& order : Paths{"", "&order_by=label", "&order_by=label&desc=true", "&order_by=started_at", "&order_by=id&desc=true"}) {
    CAPTURE(order);
    std::string query = "?filter=1&per_page=10" + order;
    std::vector<std::string> seen;
    std::string back;
    int pages = 0;
    while (true) {
      const Json page = parsed(ask("GET", "/console.json" + query).body);
      for (const Json& plan : page["execution_plans"]) seen.push_back(plan["id"].get<std::string>());
      ++pages;
      if (!page["previous"].is_null()) back = page["previous"].get<std::string>();
      if (page["next"].is_null()) break;
      query = page["next"].get<std::string>();
      REQUIRE(pages < 5);
    }
    CHECK(pages == 3);
    CHECK(seen.size() == 25);
    CHECK(std::set(seen.begin(), seen.end()).size() == 25);
    const Json middle = parsed(ask("GET", "/console.json" + back).body);
    REQUIRE(middle["execution_plans"].size() == 10);
    CHECK(middle["execution_plans"][0]["id"] == seen[10]);
    const Json first = parsed(ask("GET", "/console.json" + middle["previous"].get<std::string>()).body);
    CHECK(first["execution_plans"][0]["id"] == seen[0]);
    CHECK(first["previous"].is_null());
    CHECK_FALSE(first["next"].is_null());
  }
}

TEST_CASE_METHOD(Fixture, "buttons resume, skip, cancel and halt") {
  const std::string failed = launch("Test::Fails");
  settled(failed);
  CHECK(ask("GET", "/console/" + failed).body.find("it &lt;b&gt;broke&lt;/b&gt;") != std::string::npos);
  SECTION("resume") {
    is_broken = false;
    const auto answer = press(failed, "resume");
    CHECK(answer.status == 303);
    CHECK(answer.headers.get("Location") == "../" + failed + "?notice=resumed");
    CHECK(settled(failed).state == PlanState::kStopped);
    CHECK(store->load_plan(failed)->result == PlanResult::kSuccess);
  }
  SECTION("skip") {
    const auto answer = press(failed, "skip/2");
    CHECK(answer.headers.get("Location") == "../../" + failed + "?notice=skipped");
    CHECK(press(failed, "resume").status == 303);
    CHECK(settled(failed).state == PlanState::kStopped);
    CHECK(store->load_plan(failed)->result == PlanResult::kWarning);
  }
  SECTION("halt") {
    CHECK(press(failed, "halt").headers.get("Location") == "../" + failed + "?notice=halted");
    CHECK(settled(failed).state == PlanState::kStopped);
  }
  SECTION("cancel, of a plan and of a step") {
    for (const std::string& command : Paths{"cancel", "cancel?force=1", "cancel/2"}) {
      const std::string waiting = launch("Test::Waits");
      while (ask("GET", "/console/" + waiting).body.find("suspended") == std::string::npos) world().wait_until_idle(Deadline::after(std::chrono::seconds(5)));
      CHECK(ask("GET", "/console/" + waiting).body.find("http-equiv=\"refresh\" content=\"5;url=./" + waiting + "\"") != std::string::npos);
      CHECK(ask("GET", "/console/" + waiting + "?live=0").body.find("http-equiv") == std::string::npos);
      CHECK(press(waiting, command).status == 303);
      CHECK(settled(waiting).result == PlanResult::kSuccess);
    }
  }
}

TEST_CASE_METHOD(Fixture, "nothing is changed for another site") {
  const std::string failed = launch("Test::Fails");
  settled(failed);
  is_broken = false;
  http::Headers form;
  form.add("Content-Type", "application/x-www-form-urlencoded");
  CHECK(ask("POST", "/console/" + failed + "/resume", "", form).status == 403);
  CHECK(ask("POST", "/console/" + failed + "/resume", "token=1-00", form).status == 403);
  CHECK(ask("POST", "/console/" + failed + "/resume").status == 403);
  CHECK(ask("GET", "/console/" + failed + "/resume").status == 404);
  http::Headers foreign;
  foreign.add("Content-Type", "application/json");
  foreign.add("Origin", "https://evil.example.com");
  CHECK(ask("POST", "/console/" + failed + "/resume", "{}", foreign).status == 403);
  CHECK(store->load_plan(failed)->state == PlanState::kPaused);
  // A program says what no form can say.
  http::Headers program;
  program.add("Content-Type", "application/json");
  program.add("Accept", "application/json");
  CHECK(ask("POST", "/console/" + failed + "/resume", "{}", program).body == R"({"notice":"The execution was resumed"})");
  CHECK(settled(failed).state == PlanState::kStopped);
  const auto again = ask("POST", "/console/" + failed + "/resume", "{}", program);
  CHECK(again.status == 409);
  CHECK(parsed(again.body)["error"] == "The execution has to be paused to be able to resume");
}

TEST_CASE_METHOD(Fixture, "what is not there or means nothing is said") {
  for (const char* path : {"/console/unknown", "/console/unknown.json", "/console/unknown/actions/1", "/console/a/b/c", "/console/unknown/actions/x"}) {
    CAPTURE(path);
    CHECK(ask("GET", path).status == 404);
  }
  CHECK(ask("GET", "/console?state=bogus").status == 400);
  CHECK(ask("GET", "/console?page=-1&per_page=0").status == 400);
  CHECK(parsed(ask("GET", "/console.json?order_by=bogus").body).contains("error"));
  CHECK(ask("DELETE", "/console/unknown").status == 404);
  http::Headers program;
  program.add("Content-Type", "application/json");
  const std::string id = launch("Test::Noop");
  settled(id);
  for (const char* command : {"resume", "cancel", "halt", "skip/2", "cancel/2"}) {
    CAPTURE(command);
    CHECK(ask("POST", std::string("/console/unknown/") + command, "{}", program).status == 404);
  }
  CHECK(ask("POST", "/console/" + id + "/skip/99", "{}", program).status == 404);
  CHECK(ask("POST", "/console/" + id + "/skip/x", "{}", program).status == 404);
  CHECK(ask("POST", "/console/" + id + "/cancel", "{}", program).headers.get("Location") == "../" + id + "?notice=nothing-to-cancel");
}
