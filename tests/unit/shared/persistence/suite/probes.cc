#include "tests/unit/shared/persistence/suite/probes.h"

#include "tests/unit/shared/persistence/sample_plans.h"

namespace dynflow::persistence {

void require_code(const Status& status, Code code) {
  REQUIRE_FALSE(status.ok());
  INFO(status.error().message());
  REQUIRE(to_string(status.error().code()) == to_string(code));
}

void require_ok(const Status& status) {
  INFO((status.ok() ? std::string() : status.error().message()));
  REQUIRE(status.ok());
}

std::int64_t count(Store& store, std::optional<PlanState> state) { return get(store.count_plans(state)); }

std::vector<std::string> unfinished(Store& store) { return get(store.load_unfinished()); }

std::vector<OutputChunk> chunks(Store& store, const std::string& plan, int action, std::int64_t after,
                                std::size_t limit) {
  return get(store.load_chunks(plan, action, after, limit));
}

OutboxRecord without_version(OutboxRecord entry) {
  entry.version = 0;
  return entry;
}

OutboxRecord only_entry(Store& store) {
  const auto due = get(store.load_due_outbox(Time::max(), 10, {}));
  REQUIRE(due.size() == 1);
  return due.front();
}

WorldRecord sample_world(const std::string& id) { return {id, R"({"hostname":"host"})", {}, false}; }

WriteBatch plan_in_state(const std::string& id, PlanState state, PlanResult result, const std::string& owner) {
  PlanRecord plan = sample_plan(id);
  plan.state = state;
  plan.result = result;
  plan.owner = owner;
  if (state == PlanState::kStopped) plan.ended_at = kSampleTime;
  return batch_of(WriteBatch::InsertPlan{plan});
}

}  // namespace dynflow::persistence
