// Applies batches to the write connection, and keeps the number of plans in each state.
//
// Threads: one at a time, the one that owns the write connection.
#pragma once

#include <array>
#include <string>
#include <unordered_map>
#include <vector>

#include "shared/persistence/sqlite/database.h"
#include "shared/persistence/store.h"

namespace dynflow::persistence {

// By PlanState.
using StateCounts = std::array<std::int64_t, 7>;

class BatchWriter {
 public:
  explicit BatchWriter(Database& database) : database_(database) {}

  // Counts what is stored, and looks where the versions of outbox entries go on. Once, before anything else.
  Status load_counts();
  // As of the last commit.
  const StateCounts& counts() const { return committed_counts_; }

  Status begin();
  Status commit();
  // Harmless when the database has already rolled back by itself.
  void roll_back();
  // A nested transaction around one batch.
  Status begin_nested();
  Status commit_nested();
  Status roll_back_nested();

  // Within a transaction. After an error a part of the batch has been applied: roll back. Errors: kConflict, kNotFound,
  // kUnavailable, kTooLarge, kCorrupt, kFailed.
  Status apply(const WriteBatch& batch);
  // Within a transaction: Store::clean, in one go.
  Result<std::size_t> clean(Time before, std::size_t limit);
  // The same for these plans. kConflict: one of them is not to be removed, or not any more.
  Result<std::size_t> clean(Time before, const std::vector<std::int64_t>& numbers);

 private:
  struct PlanRow {
    std::int64_t number;
    PlanState state;
  };

  Status apply_change(const WriteBatch::InsertPlan& change);
  Status apply_change(const WriteBatch::UpdatePlan& change);
  Status apply_change(const WriteBatch::ReplacePlan& change);
  Status apply_change(const WriteBatch::UpdateStep& change);
  Status apply_change(const WriteBatch::UpdateAction& change);
  Status apply_change(const WriteBatch::AppendChunks& change);
  Status apply_change(const WriteBatch::DropChunks& change);
  Status apply_change(const WriteBatch::PutEvent& change);
  Status apply_change(const WriteBatch::DeleteEvent& change);
  // The only world there is needs no waking: it has put the event itself.
  Status apply_change(const WriteBatch::WakeOwner&) { return {}; }
  Status apply_change(const WriteBatch::PutOutbox& change);
  Status apply_change(const WriteBatch::DeleteOutbox& change);
  Status apply_change(const WriteBatch::PutDelayed& change);
  Status apply_change(const WriteBatch::DeleteDelayed& change);
  Status apply_change(const WriteBatch::PutSecrets& change);
  Status apply_change(const WriteBatch::DeleteSecrets& change);
  Status apply_change(const WriteBatch::ReleaseLocks& change);
  Status insert_parts(std::int64_t number, const PlanRecord& plan);
  Status insert_action(std::int64_t plan, const ActionRecord& action);
  Status insert_step(std::int64_t plan, const StepRecord& step, const PlanRecord& record);
  // The pointer is good until the next call of a member.
  Result<PlanRow*> find_plan(const std::string& plan_id);
  void remember(const std::string& plan_id, PlanRow row);
  // Runs a started deletion; the number of plans that are gone.
  Result<std::size_t> note_removed(Statement& deletion);
  // The counts, and what is remembered, after a change of state.
  void change_state(const std::string& plan_id, PlanRow& row, PlanState state);
  std::int64_t& count(PlanState state) { return counts_.at(static_cast<std::size_t>(state)); }

  Database& database_;
  StateCounts counts_{};            // with what the running transaction has changed
  StateCounts nested_counts_{};     // at the beginning of the nested transaction
  StateCounts committed_counts_{};
  // Never used twice while entries are under way, not even for an entry that is removed and put again.
  std::int64_t last_version_ = 0;
  // Unfinished plans that were written lately: saves a look-up by id for every change.
  std::unordered_map<std::string, PlanRow> plans_;

  Statement begin_{database_, "BEGIN IMMEDIATE"};
  Statement commit_{database_, "COMMIT"};
  Statement begin_nested_{database_, "SAVEPOINT batch"};
  Statement commit_nested_{database_, "RELEASE batch"};
  Statement roll_back_nested_{database_, "ROLLBACK TO batch"};
  Statement select_plan_{database_, "SELECT number, state FROM plans WHERE id = ?1"};
  Statement insert_plan_{database_,
                         "INSERT INTO plans (id, label, state, result, root_plan_step_id, run_flow, finalize_flow,"
                         " started_at, ended_at, execution_time, real_time, history, request_digest, caller_plan_id,"
                         " resting_since, owner)"
                         " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)"};
  Statement insert_action_{database_, "INSERT INTO actions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)"};
  Statement insert_step_{database_, "INSERT INTO steps VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)"};
  Statement insert_chunk_{database_, "INSERT INTO chunks VALUES (?1,?2,?3,?4,?5,?6,?7)"};
  Statement note_output_end_{database_,
                             "INSERT INTO output_ends SELECT plan, action_id, sequence, timestamp FROM chunks"
                             " WHERE plan=?1 AND action_id=?2 ORDER BY sequence DESC LIMIT 1 ON CONFLICT (plan, action_id)"
                             " DO UPDATE SET sequence=excluded.sequence, timestamp=excluded.timestamp"};
  Statement drop_chunks_{database_, "DELETE FROM chunks WHERE plan=?1 AND action_id=?2"};
  Statement update_plan_{database_,
                         "UPDATE plans SET state=?2, result=?3, started_at=?4, ended_at=?5, execution_time=?6,"
                         " real_time=?7, history=?8, resting_since=?9 WHERE number=?1"};
  Statement replace_plan_{database_,
                          "UPDATE plans SET label=?2, state=?3, result=?4, root_plan_step_id=?5, run_flow=?6,"
                          " finalize_flow=?7, started_at=?8, ended_at=?9, execution_time=?10, real_time=?11,"
                          " history=?12, request_digest=?13, caller_plan_id=?14, resting_since=?15, owner=?16"
                          " WHERE number=?1"};
  Statement delete_actions_{database_, "DELETE FROM actions WHERE plan=?1"};
  Statement delete_steps_{database_, "DELETE FROM steps WHERE plan=?1"};
  Statement update_step_{database_,
                         "UPDATE steps SET state=?3, children=?4, error=?5, started_at=?6, ended_at=?7,"
                         " execution_time=?8, real_time=?9, progress_done=?10, progress_weight=?11"
                         " WHERE plan=?1 AND id=?2"};
  Statement update_action_{database_, "UPDATE actions SET input=?3, output=?4 WHERE plan=?1 AND id=?2"};
  Statement update_output_{database_, "UPDATE actions SET output=?3 WHERE plan=?1 AND id=?2"};
  Statement put_event_{database_,
                       "INSERT INTO events (id, plan_id, step_id, name, data, created_at, due_at)"
                       " VALUES (?1,?2,?3,?4,?5,?6,?7) ON CONFLICT (id) DO NOTHING"};
  Statement delete_event_{database_, "DELETE FROM events WHERE id=?1"};
  Statement put_outbox_{
      database_,
      "INSERT INTO outbox (id, plan_id, action_id, callback, data, request_id, attempts, created_at, next_attempt_at,"
      " last_error, is_abandoned, version) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"
      " ON CONFLICT (id) DO UPDATE SET plan_id=?2, action_id=?3, callback=?4, data=?5, request_id=?6, attempts=?7,"
      " created_at=?8, next_attempt_at=?9, last_error=?10, is_abandoned=?11, version=?12"};
  Statement put_same_outbox_{
      database_,
      "UPDATE outbox SET plan_id=?2, action_id=?3, callback=?4, data=?5, request_id=?6, attempts=?7, created_at=?8,"
      " next_attempt_at=?9, last_error=?10, is_abandoned=?11, version=?12 WHERE id=?1 AND version=?13"};
  Statement delete_outbox_{database_, "DELETE FROM outbox WHERE id=?1 AND (?2 = 0 OR version = ?2)"};
  Statement put_delayed_{database_,
                         "INSERT INTO delayed_plans VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (plan) DO UPDATE SET"
                         " start_at=?2, start_before=?3, is_frozen=?4, serializer=?5, args=?6"};
  Statement delete_delayed_{database_,
                            "DELETE FROM delayed_plans WHERE plan = (SELECT number FROM plans WHERE id=?1)"};
  // A prerequisite that was cleaned stays as it is, when the record is put again.
  Statement put_dependency_{database_,
                            "INSERT INTO dependencies (plan, prerequisite) SELECT ?1, ?2"
                            " WHERE EXISTS (SELECT 1 FROM plans WHERE id=?2)"
                            " OR EXISTS (SELECT 1 FROM dependencies WHERE plan=?1 AND prerequisite=?2)"
                            " ON CONFLICT DO UPDATE SET state=state"};
  Statement delete_other_dependencies_{
      database_,
      "DELETE FROM dependencies WHERE plan=?1 AND prerequisite NOT IN (SELECT value FROM json_each(?2))"};
  Statement put_secrets_{database_, "INSERT INTO secrets VALUES (?1,?2) ON CONFLICT (plan) DO UPDATE SET sealed=?2"};
  Statement delete_secrets_{database_, "DELETE FROM secrets WHERE plan = (SELECT number FROM plans WHERE id=?1)"};
  Statement release_locks_{database_, "DELETE FROM locks WHERE plan_id=?1"};
  // The whole cleaner: what belongs to the plans goes by foreign keys and a trigger of the schema.
  Statement delete_old_plans_{
      database_,
      "DELETE FROM plans WHERE number IN (SELECT number FROM plans WHERE resting_since IS NOT NULL AND"
      " resting_since < ?1 AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.plan_id = plans.id AND is_abandoned = 0)"
      " ORDER BY resting_since LIMIT ?2) RETURNING id, state"};
  Statement delete_these_plans_{
      database_,
      "DELETE FROM plans WHERE number IN (SELECT value FROM json_each(?1)) AND resting_since IS NOT NULL AND resting_since < ?2"
      " AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.plan_id = plans.id AND is_abandoned = 0) RETURNING id, state"};
};

}  // namespace dynflow::persistence
