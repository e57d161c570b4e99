#include "migration/state/ruby_rows.h"

#include <catch2/catch.hpp>

namespace dynflow::migration {
namespace {

// A stopped plan of one action with a run step.
RubyPlanRows plan_rows() {
  RubyPlanRows rows;
  rows.plan = *json::parse(R"({"uuid":"p","state":"stopped","result":"success","label":"A","root_plan_step_id":1,
    "run_flow":{"class":"Dynflow::Flows::Atom","step_id":2},"finalize_flow":["S"],"step_ids":[1,2],"started_at":"2026-11-22 06:52:28.146",
    "ended_at":null,"execution_time":0.5,"real_time":1,"execution_history":[{"time":1,"name":"start execution","world_id":null}]})");
  rows.steps.push_back(*json::parse(R"({"id":1,"action_id":1,"state":"success","class":"Dynflow::ExecutionPlan::Steps::PlanStep",
    "action_class":"A","children":[],"progress_done":1,"progress_weight":0.0})"));
  rows.steps.push_back(*json::parse(R"({"id":2,"action_id":1,"state":"error","class":"Dynflow::ExecutionPlan::Steps::RunStep",
    "action_class":"A","queue":"default","error":{"exception_class":"E","message":"m","backtrace":["b"]}})"));
  rows.actions.push_back(*json::parse(R"({"id":1,"class":"A","plan_step_id":1,"run_step_id":2,"finalize_step_id":null,
    "input":{"a":1},"output":{}})"));
  return rows;
}

std::string reason(const RubyPlanRows& rows) {
  const auto plan = plan_from_rows(rows);
  return plan.ok() ? "fine" : plan.error().message();
}

TEST_CASE("Rows become a plan") {
  const auto stored = plan_from_rows(plan_rows());
  REQUIRE(stored.ok());
  const persistence::PlanRecord& plan = stored->plan;
  CHECK(plan.id == "p");
  CHECK(plan.state == persistence::PlanState::kStopped);
  CHECK(plan.run_flow == "2");
  CHECK(plan.finalize_flow == R"(["S"])");
  CHECK(plan.started_at.has_value());
  CHECK_FALSE(plan.ended_at.has_value());
  CHECK(plan.history == std::vector<persistence::HistoryEntry>{{1, "start execution", ""}});
  REQUIRE(plan.steps.size() == 2);
  CHECK(plan.steps[1].phase == persistence::StepPhase::kRun);
  CHECK(plan.steps[1].error == persistence::StepError{"E", "m", {"b"}});
  CHECK(plan.actions[0].input == R"({"a":1})");
  CHECK_FALSE(stored->had_secrets);
}

TEST_CASE("Secrets in an input are masked") {
  RubyPlanRows rows = plan_rows();
  rows.actions[0]["input"] = *json::parse(R"({"secrets":{"ssh_password":"geheim"},"sudo_password":"auch"})");
  const auto stored = plan_from_rows(rows);
  REQUIRE(stored.ok());
  CHECK(stored->had_secrets);
  CHECK(stored->plan.actions[0].input == R"({"secrets":{"ssh_password":"[FILTERED]"},"sudo_password":"[FILTERED]"})");
}

TEST_CASE("Output chunks keep their order, get growing times, and can be stored") {
  RubyPlanRows rows = plan_rows();
  rows.chunks.push_back(*json::parse(R"({"action_id":1,"kind":"stderr","timestamp":"2026-11-22 06:52:28.5","chunk":"one\u0000"})"));
  rows.chunks.push_back(*json::parse(R"({"action_id":1,"kind":null,"timestamp":"2026-11-22 06:52:28.5","chunk":
    [{"output_type":"stdout","output":"two","timestamp":1.5},{"output_type":"debug","output":"three"}]})"));
  const auto stored = plan_from_rows(rows);
  REQUIRE(stored.ok());
  REQUIRE(stored->chunks.size() == 1);
  const auto& chunks = stored->chunks[0].second;
  REQUIRE(chunks.size() == 3);
  CHECK(chunks[0].output == "one");
  CHECK(chunks[0].output_type == "stderr");
  CHECK(chunks[1].output == "two");
  CHECK(chunks[2].output_type == "debug");
  CHECK(chunks[2].sequence == 3);
  CHECK(chunks[0].timestamp < chunks[1].timestamp);
  CHECK(chunks[1].timestamp < chunks[2].timestamp);
  CHECK(stored->plan.actions[0].output == R"({"result":[]})");
}

TEST_CASE("What does not fit together is named") {
  const auto with = [](auto change) {
    RubyPlanRows rows = plan_rows();
    change(rows);
    return reason(rows);
  };
  CHECK(with([](RubyPlanRows& r) { r.plan["state"] = "sleeping"; }) == "plan: state is 'sleeping', which is not known");
  CHECK(with([](RubyPlanRows& r) { r.plan["started_at"] = "soon"; }) == "plan: started_at is no time");
  CHECK(with([](RubyPlanRows& r) { r.plan["run_flow"] = *json::parse(R"(["X",1])"); }).starts_with("plan: run_flow "));
  CHECK(with([](RubyPlanRows& r) { r.plan["run_flow"] = *json::parse(R"(["S",9])"); }) == "a flow names step 9, which is missing");
  CHECK(with([](RubyPlanRows& r) { r.steps.pop_back(); }) == "plan: step_ids names 2 steps, 1 are stored");
  CHECK(with([](RubyPlanRows& r) { r.steps[1]["id"] = 3; }) == "step 2 is missing");
  CHECK(with([](RubyPlanRows& r) { r.steps[1]["action_id"] = 7; }) == "step 2: its action 7 is missing");
  CHECK(with([](RubyPlanRows& r) { r.steps[1]["class"] = "Nonsense"; }) == "step 2: class is no step");
  CHECK(with([](RubyPlanRows& r) { r.steps[0]["children"] = *json::parse("[5]"); }) == "step 1: a child is missing");
  CHECK(with([](RubyPlanRows& r) { r.actions[0]["run_step_id"] = 8; }) == "action 1: a step of it is missing");
  CHECK(with([](RubyPlanRows& r) { r.actions[0]["input"] = *json::parse("[]"); }) == "action 1: input is no object");
  CHECK(with([](RubyPlanRows& r) { r.chunks.push_back(*json::parse(R"({"action_id":4,"chunk":"x"})")); }) ==
        "output chunks of action 4, which is missing");
}

TEST_CASE("Output of before chunks becomes chunks while its runner runs") {
  RubyPlanRows rows = plan_rows();
  rows.chunks.clear();
  rows.plan["state"] = "running";
  rows.actions[0]["output"] = *json::parse(R"({"runner_id":"r","result":[{"output_type":"stdout","output":"a\n","timestamp":1795944585.5},
                                              {"output_type":"debug","output":"b"}]})");
  rows.steps[1]["state"] = "suspended";
  const auto stored = plan_from_rows(rows);
  REQUIRE(stored.ok());
  REQUIRE(stored->chunks.size() == 1);
  CHECK(stored->chunks[0].first == 1);
  REQUIRE(stored->chunks[0].second.size() == 2);
  CHECK(stored->chunks[0].second[0].output == "a\n");
  CHECK(stored->chunks[0].second[1].output_type == "debug");
  CHECK(stored->chunks[0].second[1].timestamp > stored->chunks[0].second[0].timestamp);
  CHECK(*json::parse(stored->plan.actions[0].output) == *json::parse(R"({"runner_id":"r","result":[]})"));

  SECTION("and stays as it is when the runner has ended") {
    rows.steps[1]["state"] = "success";
    const auto ended = plan_from_rows(rows);
    REQUIRE(ended.ok());
    CHECK(ended->chunks.empty());
    CHECK(json::parse(ended->plan.actions[0].output)->at("result").size() == 2);
  }
}

TEST_CASE("A plan that waits for its time keeps it, and what it was called with") {
  RubyPlanRows rows = plan_rows();
  rows.plan["state"] = "scheduled";
  rows.blocked_by = {"other"};
  rows.delayed = *json::parse(R"({"start_at":"2026-11-29 11:08:46.146356","start_before":null,"frozen":0,
    "args_serializer":"Dynflow::Serializers::Noop",
    "serialized_args":[{"class":"ForemanRemoteExecutionCore::Actions::RunScript","script":"x","ssh_password":null,"secrets":{}}]})");
  const auto stored = plan_from_rows(rows);
  REQUIRE(stored.ok());
  REQUIRE(stored->delayed);
  CHECK(stored->delayed->plan_id == stored->plan.id);
  CHECK(dynflow_time(*stored->delayed->start_at) == "2026-11-29 11:08:46.146");
  CHECK_FALSE(stored->delayed->start_before);
  CHECK_FALSE(stored->delayed->is_frozen);
  CHECK(stored->delayed->serializer == "Dynflow::Serializers::Noop");
  CHECK(stored->delayed->blocked_by == std::vector<std::string>{"other"});
  CHECK(*json::parse(stored->delayed->args) ==
        *json::parse(R"({"class":"Proxy::RemoteExecution::Ssh::Actions::RunScript","script":"x","ssh_password":null,"secrets":{}})"));

  SECTION("not what only Ruby can read") {
    (*rows.delayed)["args_serializer"] = "ForemanTasks::Serializer";
    CHECK(plan_from_rows(rows).error().code() == Code::kUnprocessable);
  }
  SECTION("not with other than one set of values") {
    (*rows.delayed)["serialized_args"] = *json::parse(R"([{},{}])");
    CHECK(plan_from_rows(rows).error().code() == Code::kUnprocessable);
  }
  SECTION("not with passwords") {
    (*rows.delayed)["serialized_args"] = *json::parse(R"([{"secrets":{"ssh_password":"geheim"}}])");
    CHECK(plan_from_rows(rows).error().code() == Code::kUnprocessable);
  }
  SECTION("not without its row") {
    rows.delayed.reset();
    CHECK(plan_from_rows(rows).error().code() == Code::kCorrupt);
  }
  SECTION("one that was taken up has no time any more") {
    rows.plan["state"] = "running";
    CHECK_FALSE(plan_from_rows(rows)->delayed);
  }
}

}  // namespace
}  // namespace dynflow::migration
