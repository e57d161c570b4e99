// The queries about delayed plans, on one connection.
//
// Threads: one at a time; see ReaderPool.
#pragma once

#include <string>
#include <vector>

#include "shared/persistence/sqlite/database.h"
#include "shared/persistence/store.h"

namespace dynflow::persistence {

// Store documents what they return.
class DelayedReader {
 public:
  explicit DelayedReader(Database& database) : database_(database) {}

  Result<std::vector<DelayedRecord>> load_ready(Time now, std::size_t limit);
  Result<DelayedRecord> load(std::string_view plan_id);
  Result<std::optional<Time>> next_time(Time now);
  Result<std::vector<Prerequisite>> load_prerequisites(std::string_view plan_id);
  Result<std::vector<std::string>> load_dependents(std::string_view plan_id);

 private:
  Result<DelayedRecord> read(const Statement& row);

  Database& database_;
  // A union, because OR would walk all that lies in the future.
  Statement ready_{database_,
                   "SELECT d.plan, p.id, d.start_at, d.start_before, d.is_frozen, d.serializer, d.args"
                   " FROM delayed_plans d JOIN plans p ON p.number = d.plan WHERE d.plan IN ("
                   "SELECT plan FROM delayed_plans WHERE is_frozen = 0 AND start_at IS NULL UNION ALL"
                   " SELECT plan FROM delayed_plans WHERE is_frozen = 0 AND start_at <= ?1 UNION ALL"
                   " SELECT plan FROM delayed_plans WHERE is_frozen = 0 AND start_before IS NOT NULL AND"
                   " start_before <= ?1)"
                   " AND NOT EXISTS (SELECT 1 FROM dependencies n JOIN plans b ON b.id = n.prerequisite"
                   " WHERE n.plan = d.plan AND n.state IS NULL AND b.state <> 'stopped')"
                   " ORDER BY d.start_at, d.plan LIMIT ?2"};
  Statement one_{database_,
                 "SELECT d.plan, p.id, d.start_at, d.start_before, d.is_frozen, d.serializer, d.args"
                 " FROM plans p JOIN delayed_plans d ON d.plan = p.number WHERE p.id = ?1"};
  Statement prerequisite_ids_{database_, "SELECT prerequisite FROM dependencies WHERE plan=?1 ORDER BY prerequisite"};
  Statement next_{database_,
                  "SELECT min(time) FROM (SELECT min(start_at) AS time FROM delayed_plans WHERE is_frozen = 0 AND"
                  " start_at > ?1 UNION ALL SELECT min(start_before) FROM delayed_plans WHERE is_frozen = 0 AND"
                  " start_before IS NOT NULL AND start_before > ?1)"};
  Statement prerequisites_{database_,
                           "SELECT n.prerequisite, coalesce(n.state, b.state), coalesce(n.result, b.result)"
                           " FROM plans p JOIN dependencies n ON n.plan = p.number"
                           " LEFT JOIN plans b ON b.id = n.prerequisite WHERE p.id = ?1 ORDER BY n.prerequisite"};
  Statement dependents_{database_,
                        "SELECT p.id FROM dependencies n JOIN plans p ON p.number = n.plan"
                        " WHERE n.prerequisite = ?1 AND n.state IS NULL ORDER BY p.number"};
};

}  // namespace dynflow::persistence
