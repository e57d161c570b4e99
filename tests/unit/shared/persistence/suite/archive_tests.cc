#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <string>

#include "shared/persistence/plan_archive.h"
#include "tests/unit/shared/persistence/csv_folder.h"
#include "tests/unit/shared/persistence/sample_plans.h"
#include "tests/unit/shared/persistence/suite/probes.h"
#include "tests/unit/shared/persistence/suite/tests.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;

void deleted_plans_are_kept(Store& store) {
  const CsvFolder folder;
  PlanArchive archive(folder.path());
  WriteBatch batch = finished_plan("old", kSampleTime);
  StepRecord step = sample_plan("old").steps[2];
  step.state = StepState::kError;
  step.error = StepError{"RuntimeError", "it \"broke\"", {}};
  batch.add(WriteBatch::UpdateStep{"old", step});
  batch.add(WriteBatch::UpdateAction{"old", 2, "", R"({"a":"b, c"})"});
  batch.add(WriteBatch::AppendChunks{"old", 2, {sample_chunk(1, "one, \"two\"\r\nthree"), sample_chunk(2, "")}});
  REQUIRE(store.commit(std::move(batch)).ok());
  REQUIRE(store.commit(finished_plan("young", kSampleTime + 100s)).ok());
  CHECK(get(store.clean(kSampleTime + 50s, 100, &archive)) == 1);
  require_code(store.load_plan("old"), Code::kNotFound);
  CHECK(store.load_plan("young").ok());

  CHECK(folder.rows("execution_plans.csv") ==
        CsvRows{{"old", "stopped", "success", "2026-11-22 06:45:46.123456", "2026-11-22 06:45:46.123456", "2.25", "1.5",
                 "Actions::Root", "Dynflow::ExecutionPlan", "1", R"(["S",3])", R"(["S",4])",
                 R"([{"time":1795329946,"name":"change","world_id":"w"}])"}});
  const CsvRows actions = folder.rows("actions.csv");
  REQUIRE(actions.size() == 2);
  CHECK(actions[0] == std::vector<std::string>{"old", "1", kCsvNull, kCsvNull, "Actions::Root", "1", kCsvNull, "4",
                                               R"({"text":"ünïcödé 😀 \u0000 escaped"})", "{}"});
  CHECK(actions[1] == std::vector<std::string>{"old", "2", kCsvNull, "1", "Actions::Child", "2", "3", kCsvNull, "{}",
                                               R"({"a":"b, c"})"});
  const CsvRows steps = folder.rows("steps.csv");
  REQUIRE(steps.size() == 4);
  CHECK(steps[0][4] == "2026-11-22 06:45:46.123456");
  CHECK(steps[0][5] == "2026-11-22 06:45:46.123457");
  CHECK(steps[0][10] == "Dynflow::ExecutionPlan::Steps::PlanStep");
  CHECK(steps[0][14] == "[2]");
  CHECK(steps[2] == std::vector<std::string>{"old", "3", "2", "error", kCsvNull, kCsvNull, steps[2][6], steps[2][7],
                                             steps[2][8], "0.5", "Dynflow::ExecutionPlan::Steps::RunStep", "Actions::Child",
                                             "default", R"({"exception_class":"RuntimeError","message":"it \"broke\"","backtrace":[]})",
                                             "[]"});
  CHECK(steps[3][11] == "Actions::Renamed");
  CHECK(folder.rows("output_chunks.csv") ==
        CsvRows{{"old", "2", "1", "stdout", "2026-11-22 06:45:46.123457", "one, \"two\"\r\nthree"},
                {"old", "2", "2", "stdout", "2026-11-22 06:45:46.123458", ""}});
}

void what_cannot_be_kept_stays(Store& store) {
  const CsvFolder folder;
  std::ofstream(folder.file("file")) << "in the way";
  PlanArchive archive(folder.file("file"));
  REQUIRE(store.commit(finished_plan("old", kSampleTime)).ok());
  require_code(store.clean(kSampleTime + 1s, 100, &archive), Code::kUnavailable);
  CHECK(store.load_plan("old").ok());
  CHECK(count(store) == 1);
  // The store goes on.
  REQUIRE(store.commit(insertion_of("other")).ok());
  PlanArchive good(folder.file("backup"));
  CHECK(get(store.clean(kSampleTime + 1s, 100, &good)) == 1);
  CHECK(count(store) == 1);
}

void plans_are_kept_in_slices(Store& store) {
  const CsvFolder folder;
  PlanArchive archive(folder.path());
  WriteBatch batch;
  for (int i = 0; i < 700; ++i) batch.add(finished_plan(std::to_string(i), kSampleTime + std::chrono::seconds(i)));
  WriteBatch::AppendChunks append{"3", 2, {}};
  for (int i = 1; i <= 1000; ++i) append.chunks.push_back(sample_chunk(i, "line\n"));
  batch.add(std::move(append));
  REQUIRE(store.commit(std::move(batch)).ok());
  CHECK(get(store.clean(kSampleTime + 1h, 300, &archive)) == 300);
  CHECK(folder.rows("execution_plans.csv").size() == 300);
  CHECK(folder.rows("steps.csv").size() == 1200);
  CHECK(folder.rows("output_chunks.csv").size() == 1000);
  CHECK(get(store.clean(kSampleTime + 1h, 10'000, &archive)) == 400);
  CHECK(get(store.clean(kSampleTime + 1h, 10'000, &archive)) == 0);
  CHECK(count(store) == 0);
  std::set<std::string> ids;
  for (const auto& row : folder.rows("execution_plans.csv")) ids.insert(row[0]);
  CHECK(ids.size() == 700);
  CHECK(folder.rows("execution_plans.csv").size() == 700);
  CHECK(folder.rows("actions.csv").size() == 1400);
}

void nothing_to_keep_leaves_no_file(Store& store) {
  const CsvFolder folder;
  PlanArchive archive(folder.path());
  REQUIRE(store.commit(insertion_of("running")).ok());
  REQUIRE(store.commit(finished_plan("waiting", kSampleTime)).ok());
  REQUIRE(store.commit(batch_of(WriteBatch::PutOutbox{sample_outbox("1", "waiting")})).ok());
  CHECK(get(store.clean(kSampleTime + 1s, 100, &archive)) == 0);
  CHECK(folder.entries() == 0);
}

}  // namespace

std::vector<StoreTest> archive_tests() {
  return {
      {"deleted plans are kept as CSV", "[S12]", deleted_plans_are_kept},
      {"plans that cannot be kept are not deleted", "[S12]", what_cannot_be_kept_stays},
      {"plans are kept and deleted in slices", "[S12]", plans_are_kept_in_slices},
      {"where there is nothing to keep no file is made", "[S12]", nothing_to_keep_leaves_no_file},
  };
}

}  // namespace dynflow::persistence
