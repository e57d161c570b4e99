// The queries of the store, on one connection.
//
// Threads: one at a time; see ReaderPool.
#pragma once

#include <string>
#include <vector>

#include "shared/persistence/output_ends.h"
#include "shared/persistence/plan_archive.h"
#include "shared/persistence/sqlite/database.h"
#include "shared/persistence/sqlite/delayed_reader.h"
#include "shared/persistence/plan_pages.h"
#include "shared/persistence/store.h"
#include "shared/persistence/store_numbers.h"

namespace dynflow::persistence {

// Store documents what they return; kCorrupt concerns only the plan or row that is asked for.
class Reader {
 public:
  explicit Reader(Database& database) : delayed_(database), database_(database) {}

  Result<PlanRecord> load_plan(std::string_view plan_id);
  Result<ActionRecord> load_action(std::string_view plan_id, int action_id);
  Result<std::vector<OutputChunk>> load_chunks(std::string_view plan_id, int action_id, std::int64_t after,
                                               std::size_t limit);
  Result<std::vector<PlanStatus>> load_statuses(const std::vector<std::string>& ids);
  Result<std::vector<PlanIdentity>> load_identities(const std::vector<std::string>& ids);
  Result<std::vector<PlanStatus>> load_sub_plans(std::string_view caller_plan_id);
  Result<OutputEnd> load_output_end(std::string_view plan_id, int action_id);
  Result<std::vector<std::string>> load_unfinished();
  Result<std::vector<PlanRecord>> find_plans(const PlanFilter& filter, const PlanOrder& order);
  // As PlanPages::find_page().
  Result<std::vector<ListedPlan>> list_plans(const PlanFilter& filter, const PageOrder& order, std::size_t offset = 0);
  Result<std::int64_t> count_plans(const PlanFilter& filter);
  // Of all plans, or of those that this world owns.
  Result<std::vector<EventRecord>> load_events(const std::optional<std::string>& owner);
  Result<std::vector<EventRecord>> load_events_of(std::string_view plan_id);
  Result<std::vector<OutboxRecord>> load_due_outbox(Time now, std::size_t limit, const std::vector<std::int64_t>& under_way);
  Result<std::optional<Time>> next_outbox_time();
  // The numbers of plans that Store::clean would remove, the longest at rest first.
  Result<std::vector<std::int64_t>> load_resting(Time before, std::size_t limit);
  // Adds all that is kept of these plans.
  Status copy(const std::vector<std::int64_t>& numbers, PlanArchive& archive);
  // In the order of their epochs; nothing is known here about who is alive.
  Result<std::vector<WorldRecord>> load_worlds();
  Result<std::string> load_secrets(std::string_view plan_id);
  Result<std::vector<LockRecord>> load_locks();
  Result<CallbackBacklog> callback_backlog();

  DelayedReader& delayed() { return delayed_; }

 private:
  class Snapshot;

  Status load_actions(std::int64_t number, PlanRecord& plan);
  Status load_steps(std::int64_t number, PlanRecord& plan);
  // The events of a started statement.
  Result<std::vector<EventRecord>> read_events(Statement& statement);

  DelayedReader delayed_;
  Database& database_;
  Statement backlog_{database_,
                     "SELECT (SELECT count(*) FROM outbox WHERE is_abandoned = 0),"
                     " (SELECT count(*) FROM outbox) - (SELECT count(*) FROM outbox WHERE is_abandoned = 0),"
                     " (SELECT created_at FROM outbox WHERE is_abandoned = 0 ORDER BY number LIMIT 1)"};
  Statement begin_{database_, "BEGIN"};
  Statement end_{database_, "COMMIT"};
  Statement plan_{database_,
                  "SELECT number, id, label, state, result, root_plan_step_id, run_flow, finalize_flow, started_at,"
                  " ended_at, execution_time, real_time, history, request_digest, owner FROM plans WHERE id=?1"};
  Statement actions_{database_,
                     "SELECT id, class, caller_plan_id, caller_action_id, plan_step_id, run_step_id, finalize_step_id,"
                     " input, output FROM actions WHERE plan=?1 ORDER BY id"};
  Statement action_{database_,
                    "SELECT id, class, caller_plan_id, caller_action_id, plan_step_id, run_step_id, finalize_step_id,"
                    " input, output FROM actions WHERE plan=(SELECT number FROM plans WHERE id=?1) AND id=?2"};
  Statement steps_{database_,
                   "SELECT s.id, s.action_id, s.phase, s.state, coalesce(s.class, a.class), s.queue, s.children,"
                   " s.error, s.started_at, s.ended_at, s.execution_time, s.real_time, s.progress_done,"
                   " s.progress_weight FROM steps s LEFT JOIN actions a ON a.plan = s.plan AND a.id = s.action_id"
                   " WHERE s.plan=?1 ORDER BY s.id"};
  Statement number_{database_, "SELECT number FROM plans WHERE id=?1"};
  Statement chunks_{database_,
                    "SELECT sequence, output_type, output, timestamp, id FROM chunks WHERE plan=?1 AND action_id=?2"
                    " AND sequence > ?3 ORDER BY sequence LIMIT ?4"};
  Statement output_end_{database_,
                        "SELECT sequence, timestamp FROM (SELECT sequence, timestamp FROM chunks WHERE plan=?1 AND action_id=?2"
                        " ORDER BY sequence DESC LIMIT 1) UNION ALL SELECT sequence, timestamp FROM output_ends"
                        " WHERE plan=?1 AND action_id=?2"};
  Statement status_{database_, "SELECT id, state, result FROM plans WHERE id=?1"};
  Statement identity_{database_, "SELECT id, request_digest, caller_plan_id FROM plans WHERE id=?1"};
  Statement sub_plans_{database_,
                       "SELECT id, state, result FROM plans WHERE caller_plan_id=?1 AND caller_plan_id <> ''"
                       " ORDER BY number"};
  // Named, because the planner would rather walk all plans than sort the few.
  Statement unfinished_{database_,
                        "SELECT id FROM plans INDEXED BY plans_unfinished WHERE state <> 'stopped' ORDER BY number"};
  Statement events_{database_,
                    "SELECT id, plan_id, step_id, name, data, created_at, due_at FROM events ORDER BY number"};
  Statement events_of_owner_{database_,
                             "SELECT e.id, e.plan_id, e.step_id, e.name, e.data, e.created_at, e.due_at FROM events e"
                             " WHERE EXISTS (SELECT 1 FROM plans p WHERE p.id = e.plan_id AND p.owner = ?1)"
                             " ORDER BY e.number"};
  Statement events_of_plan_{database_,
                            "SELECT id, plan_id, step_id, name, data, created_at, due_at FROM events"
                            " WHERE plan_id=?1 ORDER BY number"};
  Statement due_outbox_{database_,
                        "SELECT id, plan_id, action_id, callback, data, request_id, attempts, created_at,"
                        " next_attempt_at, last_error, version FROM outbox WHERE is_abandoned = 0 AND next_attempt_at <= ?1"
                        " ORDER BY next_attempt_at, number LIMIT ?2"};
  Statement next_outbox_{database_, "SELECT min(next_attempt_at) FROM outbox WHERE is_abandoned = 0"};
  Statement resting_{database_,
                     "SELECT number FROM plans WHERE resting_since IS NOT NULL AND resting_since < ?1 AND NOT EXISTS"
                     " (SELECT 1 FROM outbox WHERE outbox.plan_id = plans.id AND is_abandoned = 0)"
                     " ORDER BY resting_since LIMIT ?2"};
  Statement worlds_{database_, "SELECT id, meta, last_seen FROM worlds ORDER BY epoch"};
  Statement secrets_{database_, "SELECT s.sealed FROM plans p JOIN secrets s ON s.plan = p.number WHERE p.id = ?1"};
  Statement locks_{database_, "SELECT name, plan_id FROM locks ORDER BY name"};
};

}  // namespace dynflow::persistence
