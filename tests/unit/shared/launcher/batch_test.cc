#include "shared/base/thread.h"
#include "tests/unit/shared/launcher/fixture.h"

using namespace dynflow;
using namespace dynflow::launcher;
using test::parsed;

namespace {

Json batch_of_two() {
  return Json{{kOne, entry_of("Test::Noop", {{"foo", "bar"}, {"secrets", {{"ssh_password", "hunter2"}, {"key_passphrase", nullptr}}}})},
              {kTwo, entry_of("Test::Noop", {{"foo", "baz"}})}};
}

}  // namespace

TEST_CASE_METHOD(Fixture, "a batch answers for each entry and the parent, and all are stored") {
  const auto answer = make_batch_launcher()->launch(world(), batch_of_two(), Json(), context);
  REQUIRE(answer.ok());
  REQUIRE(answer->size() == 3);
  CHECK((*answer)[kOne] == success(kOne));
  CHECK((*answer)[kTwo] == success(kTwo));
  const std::string parent = json::get_string((*answer)["parent"], "task_id");
  CHECK((*answer)["parent"] == success(parent));
  CHECK(stored_plans() == 3);

  const auto child = settled(kOne);
  CHECK(child.actions.front().caller_plan_id == parent);
  CHECK(child.actions.front().caller_action_id == 1);
  CHECK(child.actions.front().input ==
        R"({"foo":"bar","secrets":{"ssh_password":"[FILTERED]","key_passphrase":null},)"
        R"("callback_host":"http://proxy:8000","current_request_id":"request-1"})");
  CHECK(child.actions.front().output == R"({"password_length":7})");

  const auto batch = settled(parent);
  CHECK(batch.state == persistence::PlanState::kStopped);
  CHECK(batch.result == persistence::PlanResult::kSuccess);
  CHECK(batch.actions.front().input ==
        R"({"input_hash":{")" + kOne + R"(":{"action_class":"Test::Noop","action_input":{"foo":"bar",)"
        R"("secrets":{"ssh_password":"[FILTERED]","key_passphrase":null}}},")" + kTwo +
        R"(":{"action_class":"Test::Noop","action_input":{"foo":"baz"}}},)"
        R"("launcher":{"class":"Proxy::Dynflow::TaskLauncher::Batch","callback":"http://proxy:8000","options":{}},)"
        R"("current_request_id":"request-1"})");
  CHECK(batch.actions.front().output == R"({"total_count":2,"failed_count":0,"pending_count":2,"success_count":0})");
}

TEST_CASE_METHOD(Fixture, "a repeated launch gets the same answer and starts nothing", "[Q26]") {
  const auto launcher = make_batch_launcher();
  const auto first = launcher->launch(world(), batch_of_two(), Json(), context);
  REQUIRE(first.ok());

  Json again = batch_of_two();
  SECTION("the same request") {}
  SECTION("another request id") { context.request_id = "request-2"; }
  SECTION("another order of keys") {
    again = Json{{kTwo, Json{{"action_input", {{"foo", "baz"}}}, {"action_class", "Test::Noop"}}}, {kOne, again[kOne]}};
  }
  SECTION("another password") { again[kOne]["action_input"]["secrets"]["ssh_password"] = "other"; }
  const auto second = launcher->launch(world(), again, Json(), context);
  REQUIRE(second.ok());
  CHECK((*second)[kOne] == (*first)[kOne]);
  CHECK((*second)[kTwo] == (*first)[kTwo]);
  CHECK((*second)["parent"] == (*first)["parent"]);
  CHECK(stored_plans() == 3);
}

TEST_CASE_METHOD(Fixture, "the same id with another input is a conflict, and nothing is stored", "[Q26]") {
  const auto launcher = make_batch_launcher();
  REQUIRE(launcher->launch(world(), Json{{kOne, entry_of("Test::Noop", {{"foo", "bar"}})}}, Json(), context).ok());
  Json other{{kOne, entry_of("Test::Noop", {{"foo", "bar"}})}, {kTwo, entry_of("Test::Noop", Json::object())}};
  SECTION("input") { other[kOne]["action_input"]["foo"] = "else"; }
  SECTION("class") { other[kOne]["action_class"] = "Test::Unplannable"; }
  SECTION("operation") { context.operation = "other"; }
  const auto answer = launcher->launch(world(), other, Json(), context);
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code() == Code::kConflict);
  CHECK(stored_plans() == 2);
}

TEST_CASE_METHOD(Fixture, "of a partly known batch only the rest is launched") {
  const auto launcher = make_batch_launcher();
  const Json all = batch_of_two();
  const auto first = launcher->launch(world(), Json{{kOne, all[kOne]}}, Json(), context);
  REQUIRE(first.ok());
  const auto second = launcher->launch(world(), all, Json(), context);
  REQUIRE(second.ok());
  CHECK((*second)[kOne] == success(kOne));
  CHECK((*second)[kTwo] == success(kTwo));
  CHECK((*second)["parent"] != (*first)["parent"]);
  CHECK(stored_plans() == 4);
}

TEST_CASE_METHOD(Fixture, "an entry that cannot be planned says so, also in its document, and hides the parent") {
  const auto launcher = make_batch_launcher();
  const Json input{{kOne, entry_of("Test::Unplannable", {{"callback", callback_of("task-1")}, {"x", 1}})},
                   {kTwo, entry_of("Test::Noop", Json::object())}};
  const auto answer = launcher->launch(world(), input, Json(), context);
  REQUIRE(answer.ok());
  CHECK(answer->size() == 2);
  CHECK((*answer)[kTwo] == success(kTwo));
  CHECK(json::get_string((*answer)[kOne], "result") == "error");
  CHECK(json::get_string((*answer)[kOne]["errors"][0], "message") == "key not found: \"hostname\"");
  CHECK(json::get_string((*answer)[kOne]["errors"][0], "exception_class") == "KeyError");

  const Json document = parsed(engine::status_document(world(), kOne).value());
  CHECK(json::get_string(document, "state") == "stopped");
  CHECK(json::get_string(document, "result") == "error");
  const Json& action = document["actions"][0];
  CHECK(json::get_string(action["input"], "task_id") == "task-1");
  CHECK_FALSE(action["input"].contains("callback"));
  CHECK(json::get_string(action["output"]["result"][0], "output") == "Proxy error: KeyError - key not found: \"hostname\"");
  CHECK(json::get_string(action["output"], "exit_status") == "EXCEPTION");

  const auto again = launcher->launch(world(), input, Json(), context);
  REQUIRE(again.ok());
  CHECK(*again == *answer);
  CHECK(stored_plans() == 3);
}

TEST_CASE_METHOD(Fixture, "an unknown class stops the whole batch before anything is stored") {
  const Json input{{kTwo, entry_of("Test::Noop", Json::object())}, {kOne, entry_of("No::Such", Json::object())}};
  const auto answer = make_batch_launcher()->launch(world(), input, Json(), context);
  REQUIRE_FALSE(answer.ok());
  CHECK(answer.error().code() == Code::kUnprocessable);
  CHECK(answer.error().message().find("No::Such") != std::string::npos);
  CHECK(stored_plans() == 0);
}

TEST_CASE_METHOD(Fixture, "an empty batch has a parent that succeeds") {
  const auto answer = make_batch_launcher()->launch(world(), GENERATE(Json(), Json::object()), Json(), context);
  REQUIRE(answer.ok());
  REQUIRE(answer->size() == 1);
  CHECK(settled(json::get_string((*answer)["parent"], "task_id")).result == persistence::PlanResult::kSuccess);
}

TEST_CASE_METHOD(Fixture, "a class override replaces what the client names") {
  const auto launcher = make_batch_launcher("Test::Noop");
  REQUIRE(launcher->launch(world(), Json{{kOne, entry_of("Gone::Class", Json::object())}}, Json(), context).ok());
  CHECK(settled(kOne).label == "Test::Noop");
}

TEST_CASE_METHOD(Fixture, "long texts are stored once") {
  const std::string script(100'000, 'x');
  const auto answer =
      make_batch_launcher()->launch(world(), Json{{kOne, entry_of("Test::Noop", {{"script", script}})}}, Json(), context);
  REQUIRE(answer.ok());
  CHECK(settled(kOne).actions.front().input.find(script) != std::string::npos);
  const auto batch = settled(json::get_string((*answer)["parent"], "task_id"));
  CHECK(batch.actions.front().input.size() < 2000);
  CHECK(batch.actions.front().input.find("(100000 bytes)") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "input of the wrong shape is refused") {
  struct Case {
    Json input;
    const char* text;
  };
  const Json noop = entry_of("Test::Noop", Json::object());
  const std::vector<Case> cases{
      {Json::array(), "input must be an object"},
      {"text", "input must be an object"},
      {Json{{kOne, 5}}, "must be an object with action_class"},
      {Json{{"", noop}}, "cannot be the id"},
      {Json{{"parent", noop}}, "cannot be the id"},
      {Json{{std::string(256, 'a'), noop}}, "at most 255 bytes"},
      {Json{{"a\nb", noop}}, "plain text"},
      {Json{{kOne, Json{{"action_input", Json::object()}}}}, "action_class"},
      {Json{{kOne, Json{{"action_class", 5}, {"action_input", Json::object()}}}}, "action_class"},
      {Json{{kOne, Json{{"action_class", "Test::Noop"}}}}, "action_input"},
      {Json{{kOne, entry_of("Test::Noop", Json::array())}}, "action_input"},
      {Json{{kOne, entry_of("Test::Noop", {{"secrets", "x"}})}}, "secrets"},
      {Json{{kOne, entry_of("Test::Noop", {{"callback", 1}})}}, "callback"},
      {Json{{kOne, entry_of("Test::Noop", {{"callback", {{"task_id", 5}}}})}}, "callback.task_id"},
      {Json{{kOne, entry_of("Test::Noop", {{"current_request_id", 5}})}}, "current_request_id"},
  };
  for (const Case& one : cases) {
    INFO(json::dump(one.input));
    const auto answer = make_batch_launcher()->launch(world(), one.input, Json(), context);
    REQUIRE_FALSE(answer.ok());
    CHECK(answer.error().code() == Code::kInvalid);
    CHECK(answer.error().message().find(one.text) != std::string::npos);
  }
  CHECK(stored_plans() == 0);
}

TEST_CASE_METHOD(Fixture, "the same launch twice at the same time gets the same answers") {
  const auto launcher = make_batch_launcher();
  world();
  for (int round = 0; round < 50; ++round) {
    const std::string id = "plan-" + std::to_string(round);
    const Json batch{{id, entry_of("Test::Noop", {{"foo", "bar"}})}};
    std::vector<Result<Json>> answers(3, Json());
    {
      std::vector<NamedThread> clients;
      for (auto& answer : answers) {
        clients.emplace_back("client", [&] { answer = launcher->launch(world(), batch, Json(), context); });
      }
      for (NamedThread& client : clients) client.join();
    }
    for (const auto& answer : answers) {
      REQUIRE(answer.ok());
      CHECK(*answer == *answers.front());
    }
  }
  CHECK(stored_plans() == 100);
}
