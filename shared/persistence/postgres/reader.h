// The queries of the store that change nothing.
//
// Threads: any.
#pragma once

#include <string>
#include <vector>

#include "shared/persistence/postgres/connection_pool.h"
#include "shared/persistence/output_ends.h"
#include "shared/persistence/plan_pages.h"
#include "shared/persistence/store.h"
#include "shared/persistence/store_numbers.h"

namespace dynflow::persistence::postgres {

// Store documents what they return; kCorrupt concerns only the plan or row that is asked for.
class Reader {
 public:
  explicit Reader(ConnectionPool& pool) : pool_(pool) {}

  Result<PlanRecord> load_plan(std::string_view plan_id);
  Result<ActionRecord> load_action(std::string_view plan_id, int action_id);
  Result<OutputEnd> load_output_end(std::string_view plan_id, int action_id);
  Result<std::vector<OutputChunk>> load_chunks(std::string_view plan_id, int action_id, std::int64_t after,
                                               std::size_t limit);
  Result<std::vector<PlanStatus>> load_statuses(const std::vector<std::string>& ids);
  Result<std::vector<PlanIdentity>> load_identities(const std::vector<std::string>& ids);
  Result<std::vector<PlanStatus>> load_sub_plans(std::string_view caller_plan_id);
  Result<std::vector<PlanRecord>> find_plans(const PlanFilter& filter, const PlanOrder& order);
  // As PlanPages::find_page().
  Result<std::vector<ListedPlan>> list_plans(const PlanFilter& filter, const PageOrder& order, std::size_t offset = 0);
  Result<std::int64_t> count_plans(const PlanFilter& filter);
  Result<std::int64_t> count_plans(std::optional<PlanState> state);
  Result<std::vector<std::string>> load_unfinished();
  // `world` empty: of all plans.
  Result<std::vector<EventRecord>> load_events(std::string_view world);
  Result<std::vector<EventRecord>> load_events_of(std::string_view plan_id);
  Result<std::vector<DelayedRecord>> load_ready_delayed(Time now, std::size_t limit);
  Result<DelayedRecord> load_delayed(std::string_view plan_id);
  Result<std::optional<Time>> next_delayed_time(Time now);
  Result<std::vector<Prerequisite>> load_prerequisites(std::string_view plan_id);
  Result<std::vector<std::string>> load_dependents(std::string_view plan_id);
  Result<std::string> load_secrets(std::string_view plan_id);
  Result<std::vector<LockRecord>> load_locks();
  Result<CallbackBacklog> callback_backlog();

 private:
  ConnectionPool& pool_;
};

}  // namespace dynflow::persistence::postgres
