// How many small plans a second, on PostgreSQL and on a SQLite file beside it. Not run by default:
// persistence_postgres_test "[.bench]"
#include <sys/resource.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <semaphore>

#include "shared/persistence/sqlite/sqlite_store.h"
#include "tests/unit/shared/persistence/postgres/cluster.h"
#include "tests/unit/shared/persistence/sample_plans.h"

namespace dynflow::persistence {
namespace {

using namespace std::chrono_literals;

constexpr int kPlans = 8000;
constexpr int kInFlight = 1000;

// One action, planned and to be run.
PlanRecord small_plan(const std::string& id) {
  PlanRecord plan = sample_plan(id);
  plan.owner.clear();
  plan.actions.resize(1);
  plan.steps.resize(2);
  plan.steps[0].children.clear();
  plan.steps[1].action_id = 1;
  plan.steps[1].phase = StepPhase::kRun;
  return plan;
}

double process_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// `next` submits what the n-th plan needs and calls back once.
template <class Next>
void measure(const char* backend, const char* what, Next next) {
  std::counting_semaphore<> room(kInFlight);
  std::atomic<int> failed{0};
  const auto begun = std::chrono::steady_clock::now();
  const double cpu = process_seconds();
  for (int i = 0; i < kPlans; ++i) {
    room.acquire();
    next(i, [&](const Status& status) {
      if (!status.ok()) ++failed;
      room.release();
    });
  }
  for (int i = 0; i < kInFlight; ++i) room.acquire();
  const double seconds = to_seconds(std::chrono::steady_clock::now() - begun);
  std::printf("%-10s %-9s %7.0f plans/s, %5.1f us CPU of this process a plan\n", backend, what, kPlans / seconds,
              (process_seconds() - cpu) / kPlans * 1e6);
  CHECK(failed == 0);
}

void measure_all(const char* backend, Store& store) {
  measure(backend, "insert", [&](int i, const Store::Completion& done) {
    store.submit(batch_of(WriteBatch::InsertPlan{small_plan("i" + std::to_string(i))}), Durability::kFull, done);
  });
  measure(backend, "life", [&](int i, const Store::Completion& done) {
    const std::string id = "l" + std::to_string(i);
    PlanRecord plan = small_plan(id);
    StepRecord step = plan.steps[1];
    store.submit(batch_of(WriteBatch::InsertPlan{std::move(plan)}), Durability::kFull, {});
    store.submit(batch_of(WriteBatch::UpdatePlan{id, sample_progress(PlanState::kRunning, PlanResult::kPending)}),
                 Durability::kFull, {});
    store.submit(batch_of(WriteBatch::UpdateStep{id, step}), Durability::kFull, {});
    step.state = StepState::kSuccess;
    store.submit(batch_of(WriteBatch::UpdateStep{id, step}, WriteBatch::UpdateAction{id, 1, "", R"({"result":[]})"}),
                 Durability::kFull, {});
    store.submit(batch_of(WriteBatch::UpdatePlan{id, sample_progress(PlanState::kStopped, PlanResult::kSuccess)}),
                 Durability::kFull, done);
  });
  const auto begun = std::chrono::steady_clock::now();
  const auto removed = store.clean(kSampleTime + 1h, 1'000'000);
  REQUIRE(removed.ok());
  CHECK(*removed == kPlans);
  std::printf("%-10s %-9s %7.0f plans/s\n", backend, "clean",
              kPlans / to_seconds(std::chrono::steady_clock::now() - begun));
}

}  // namespace

TEST_CASE("speed of the stores", "[.bench]") {
  std::string folder = (std::filesystem::temp_directory_path() / "dynflow-speed-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  for (int round = 0; round < 2; ++round) {
    Cluster& cluster = Cluster::get();
    measure_all("PostgreSQL", *open_started(cluster.url(cluster.make_schema())));
    StoreOptions options;
    options.database = folder + "/" + std::to_string(round) + ".sqlite";
    const auto sqlite = open_sqlite_store(options);
    REQUIRE(sqlite.ok());
    REQUIRE((*sqlite)->start().ok());
    measure_all("SQLite", **sqlite);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace dynflow::persistence
