#include "shared/launcher/group.h"

#include "tests/unit/shared/launcher/fixture.h"

using namespace dynflow;
using namespace dynflow::launcher;
using test::parsed;

namespace {

class TestGroup final : public GroupLauncher {
 public:
  std::string_view class_name() const override { return "Test::Group"; }

 protected:
  std::string collector_class() const override { return "Test::Noop"; }
  std::string runner_class() const override { return "Test::Runner"; }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a group has a collector for each entry and one runner that knows them all") {
  std::string runner_plan;
  Json runner_secrets;
  add("Test::Runner", [&](engine::Running& running, const engine::Event*) {
    runner_plan = running.plan_id();
    runner_secrets = running.secrets();
  });
  TestGroup launcher;
  const Json input{
      {kOne, entry_of("Ignored", {{"name", "h1"}, {"inventory", 1}, {"callback", callback_of("t1")}, {"secrets", {{"p", "s1"}}}})},
      {kTwo, entry_of("Ignored", {{"name", "h2"}, {"inventory", 2}, {"callback", callback_of("t2")}})}};
  const auto answer = launcher.launch(world(), input, Json(), context);
  REQUIRE(answer.ok());
  CHECK((*answer)[kOne] == success(kOne));
  CHECK((*answer)[kTwo] == success(kTwo));
  CHECK(stored_plans() == 4);

  const Json collected = parsed(settled(kOne).actions.front().input);
  CHECK(json::get_string(collected, "name") == "h1");
  CHECK_FALSE(collected.contains("inventory"));
  CHECK_FALSE(collected.contains("secrets"));

  const auto parent = settled(json::get_string((*answer)["parent"], "task_id"));
  CHECK(parent.label == kSingleRunnerBatchAction);
  const auto children = store->load_sub_plans(parent.id);
  REQUIRE(children.ok());
  CHECK(children->size() == 3);
  for (const auto& child : *children) settled(child.id);

  const Json planned = parsed(settled(runner_plan).actions.front().input);
  CHECK(json::get_string(planned, "runner_id") == json::get_string(collected, "runner_id"));
  CHECK(json::get_string(planned["targets"][kTwo], "execution_plan_id") == kTwo);
  CHECK(json::get_int(planned["targets"][kTwo]["input"], "inventory", 0) == 2);
  CHECK(json::dump(planned).find("s1") == std::string::npos);
  CHECK(json::get_string(runner_secrets[kOne], "p") == "s1");

  const auto again = launcher.launch(world(), input, Json(), context);
  REQUIRE(again.ok());
  CHECK((*again)["parent"] == (*answer)["parent"]);
  CHECK(stored_plans() == 4);
}
