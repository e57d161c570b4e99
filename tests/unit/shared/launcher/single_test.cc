#include "tests/unit/shared/launcher/fixture.h"

using namespace dynflow;
using namespace dynflow::launcher;
using test::parsed;

TEST_CASE_METHOD(Fixture, "single plans one action, in either order of keys") {
  Json input = entry_of("Test::Noop", {{"foo", "bar"}});
  if (GENERATE(false, true)) input = Json{{"action_input", {{"foo", "bar"}}}, {"action_class", "Test::Noop"}};
  const auto answer = make_single_launcher()->launch(world(), input, Json(), context);
  REQUIRE(answer.ok());
  CHECK(json::get_string(*answer, "result") == "success");
  const auto plan = settled(json::get_string(*answer, "task_id"));
  CHECK(plan.actions.front().input ==
        R"({"foo":"bar","callback_host":"http://proxy:8000","current_request_id":"request-1"})");
  CHECK(plan.actions.front().caller_plan_id.empty());
}

TEST_CASE_METHOD(Fixture, "single says why planning failed") {
  const auto answer = make_single_launcher()->launch(world(), entry_of("Test::Unplannable", Json::object()), Json(), context);
  REQUIRE(answer.ok());
  CHECK(json::get_string(*answer, "result") == "error");
  CHECK(json::get_string((*answer)["errors"][0], "exception_class") == "KeyError");
}

TEST_CASE_METHOD(Fixture, "single refuses what is no entry or no class") {
  CHECK(make_single_launcher()->launch(world(), Json(), Json(), context).error().code() == Code::kInvalid);
  CHECK(make_single_launcher()->launch(world(), entry_of("No::Such", Json::object()), Json(), context).error().code() ==
        Code::kUnprocessable);
  CHECK(stored_plans() == 0);
}

TEST_CASE("operations keep their order and their first launcher") {
  LauncherRegistry registry;
  REQUIRE(registry.add("single", make_single_launcher()).ok());
  REQUIRE(registry.add("ssh", make_batch_launcher()).ok());
  CHECK(registry.add("ssh", make_single_launcher()).error().code() == Code::kConflict);
  CHECK(registry.operations() == std::vector<std::string>{"single", "ssh"});
  CHECK(registry.find("ssh")->class_name() == "Proxy::Dynflow::TaskLauncher::Batch");
  CHECK(registry.find("SSH") == nullptr);
}
