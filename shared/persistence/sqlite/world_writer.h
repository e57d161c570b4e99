// The world that works on the database, what it owns, and locks.
//
// Threads: one at a time, the one that owns the write connection. Everything is called within a transaction, which is to be rolled
// back after an error. Errors beside those named: kUnavailable, kCorrupt, kFailed.
#pragma once

#include <string>
#include <vector>

#include "shared/persistence/sqlite/database.h"
#include "shared/persistence/store.h"

namespace dynflow::persistence {

class WorldWriter {
 public:
  explicit WorldWriter(Database& database) : database_(database) {}

  // Makes it the only world; nobody owns a plan then. Its epoch.
  Result<std::int64_t> join(const WorldRecord& world, Time now);
  // There is no world, and nobody owns a plan.
  Status leave();
  Result<std::vector<std::string>> claim_orphans(const std::string& world_id, std::size_t limit);
  // kNotFound.
  Status claim(const std::string& plan_id, const std::string& world_id);
  // kConflict.
  Status acquire_lock(const LockRecord& lock, std::int64_t epoch);
  // Locks of another epoch for plans that were never made are removed too.
  Result<std::size_t> sweep(std::int64_t epoch);

 private:
  Database& database_;
  Statement delete_worlds_{database_, "DELETE FROM worlds"};
  Statement insert_world_{database_, "INSERT INTO worlds (id, meta, last_seen) VALUES (?1,?2,?3)"};
  // That of a stopped plan tells who has ended it.
  Statement disown_{database_,
                    "UPDATE plans INDEXED BY plans_unfinished SET owner='' WHERE state <> 'stopped' AND owner <> ''"};
  Statement claim_orphans_{database_,
                           "UPDATE plans SET owner=?1 WHERE number IN (SELECT number FROM plans INDEXED BY"
                           " plans_orphaned WHERE state IN ('pending', 'planning', 'planned', 'running')"
                           " AND owner = '' ORDER BY number LIMIT ?2) RETURNING number, id"};
  Statement claim_{database_, "UPDATE plans SET owner=?2 WHERE id=?1 AND state <> 'stopped'"};
  Statement acquire_lock_{
      database_,
      "INSERT INTO locks (name, plan_id, epoch) VALUES (?1,?2,?3) ON CONFLICT (name) DO UPDATE SET plan_id=?2, epoch=?3"
      " WHERE plan_id = ?2 OR coalesce((SELECT p.state IN ('stopped', 'paused') FROM plans p WHERE p.id = locks.plan_id),"
      " epoch <> ?3)"};
  Statement lock_holder_{database_, "SELECT plan_id FROM locks WHERE name=?1"};
  Statement sweep_events_{database_,
                          "DELETE FROM events WHERE NOT EXISTS (SELECT 1 FROM plans p WHERE p.id = events.plan_id"
                          " AND p.state <> 'stopped')"};
  Statement sweep_secrets_{database_,
                           "DELETE FROM secrets WHERE NOT EXISTS (SELECT 1 FROM plans p WHERE p.number = secrets.plan"
                           " AND p.state <> 'stopped')"};
  Statement sweep_locks_{database_,
                         "DELETE FROM locks WHERE coalesce((SELECT p.state IN ('stopped', 'paused') FROM plans p"
                         " WHERE p.id = locks.plan_id), epoch <> ?1)"};
};

}  // namespace dynflow::persistence
