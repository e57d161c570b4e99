// Applies batches to the write connection, and keeps the number of plans in each state.
//
// Threads: one at a time, the one that owns the write connection.
#pragma once

#include <array>
#include <string>
#include <unordered_map>

#include "shared/persistence/sqlite/database.h"
#include "shared/persistence/store.h"

namespace dynflow::persistence {

// By PlanState.
using StateCounts = std::array<std::int64_t, 7>;

class BatchWriter {
 public:
  explicit BatchWriter(Database& database) : database_(database) {}

  // Counts what is stored. Once, before anything else.
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

 private:
  struct PlanRow {
    std::int64_t number;
    PlanState state;
  };

  Status apply_change(const WriteBatch::InsertPlan& change);
  Status apply_change(const WriteBatch::UpdatePlan& change);
  Status apply_change(const WriteBatch::UpdateStep& change);
  Status apply_change(const WriteBatch::UpdateAction& change);
  Status apply_change(const WriteBatch::AppendChunks& change);
  Status apply_change(const WriteBatch::PutEvent& change);
  Status apply_change(const WriteBatch::DeleteEvent& change);
  Status apply_change(const WriteBatch::PutOutbox& change);
  Status apply_change(const WriteBatch::DeleteOutbox& change);
  Status insert_action(std::int64_t plan, const ActionRecord& action);
  Status insert_step(std::int64_t plan, const StepRecord& step, const PlanRecord& record);
  // The pointer is good until the next call of a member.
  Result<PlanRow*> find_plan(const std::string& plan_id);
  void remember(const std::string& plan_id, PlanRow row);
  std::int64_t& count(PlanState state) { return counts_.at(static_cast<std::size_t>(state)); }

  Database& database_;
  StateCounts counts_{};            // with what the running transaction has changed
  StateCounts nested_counts_{};     // at the beginning of the nested transaction
  StateCounts committed_counts_{};
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
                         " resting_since) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)"};
  Statement insert_action_{database_, "INSERT INTO actions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)"};
  Statement insert_step_{database_, "INSERT INTO steps VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)"};
  Statement insert_chunk_{database_, "INSERT INTO chunks VALUES (?1,?2,?3,?4,?5,?6,?7)"};
  Statement update_plan_{database_,
                         "UPDATE plans SET state=?2, result=?3, started_at=?4, ended_at=?5, execution_time=?6,"
                         " real_time=?7, history=?8, resting_since=?9 WHERE number=?1"};
  Statement update_step_{database_,
                         "UPDATE steps SET state=?3, children=?4, error=?5, started_at=?6, ended_at=?7,"
                         " execution_time=?8, real_time=?9, progress_done=?10, progress_weight=?11"
                         " WHERE plan=?1 AND id=?2"};
  Statement update_action_{database_, "UPDATE actions SET input=?3, output=?4 WHERE plan=?1 AND id=?2"};
  Statement update_output_{database_, "UPDATE actions SET output=?3 WHERE plan=?1 AND id=?2"};
  Statement put_event_{database_,
                       "INSERT INTO events (id, plan_id, step_id, name, data, created_at) VALUES (?1,?2,?3,?4,?5,?6)"
                       " ON CONFLICT (id) DO NOTHING"};
  Statement delete_event_{database_, "DELETE FROM events WHERE id=?1"};
  Statement put_outbox_{
      database_,
      "INSERT INTO outbox (id, plan_id, action_id, callback, data, request_id, attempts, created_at, next_attempt_at,"
      " last_error, is_abandoned) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"
      " ON CONFLICT (id) DO UPDATE SET plan_id=?2, action_id=?3, callback=?4, data=?5, request_id=?6, attempts=?7,"
      " created_at=?8, next_attempt_at=?9, last_error=?10, is_abandoned=?11"};
  Statement delete_outbox_{database_, "DELETE FROM outbox WHERE id=?1"};
  // The whole cleaner: actions, steps and chunks go by their foreign keys.
  Statement delete_old_plans_{
      database_,
      "DELETE FROM plans WHERE number IN (SELECT number FROM plans WHERE resting_since IS NOT NULL AND"
      " resting_since < ?1 AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.plan_id = plans.id AND is_abandoned = 0)"
      " ORDER BY resting_since LIMIT ?2) RETURNING id, state"};
  Statement delete_events_of_{database_, "DELETE FROM events WHERE plan_id=?1"};
  Statement delete_outbox_of_{database_, "DELETE FROM outbox WHERE plan_id=?1"};
};

}  // namespace dynflow::persistence
