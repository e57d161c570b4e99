#include "shared/persistence/sqlite/world_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace dynflow::persistence {

Result<std::int64_t> WorldWriter::join(const WorldRecord& world, Time now) {
  if (Status left = leave(); !left.ok()) return left.error();
  if (Status inserted = insert_world_.run(world.id, world.meta, now); !inserted.ok()) return inserted.error();
  return database_.last_insert_number();
}

Status WorldWriter::leave() {
  if (Status deleted = delete_worlds_.run(); !deleted.ok()) return deleted;
  return disown_.run();
}

Result<std::vector<std::string>> WorldWriter::claim_orphans(const std::string& world_id, std::size_t limit) {
  if (Status started = claim_orphans_.start(world_id, static_cast<std::int64_t>(limit)); !started.ok()) {
    return started.error();
  }
  std::vector<std::pair<std::int64_t, std::string>> claimed;  // RETURNING has an order of its own
  Status done = for_rows(claim_orphans_, [&]() -> Status {
    claimed.emplace_back(claim_orphans_.integer(0), claim_orphans_.string(1));
    return {};
  });
  if (!done.ok()) return done.error();
  std::sort(claimed.begin(), claimed.end());
  std::vector<std::string> ids;
  for (auto& [number, id] : claimed) ids.push_back(std::move(id));
  return ids;
}

Status WorldWriter::claim(const std::string& plan_id, const std::string& world_id) {
  if (Status updated = claim_.run(plan_id, world_id); !updated.ok()) return updated;
  if (database_.changed_rows() > 0) return {};
  return Error(Code::kNotFound, fmt::format("no plan {} that is not stopped", plan_id));
}

Status WorldWriter::acquire_lock(const LockRecord& lock, std::int64_t epoch) {
  if (Status acquired = acquire_lock_.run(lock.name, lock.plan_id, epoch); !acquired.ok()) return acquired;
  if (database_.changed_rows() > 0) return {};
  if (Status started = lock_holder_.start(lock.name); !started.ok()) return started;
  const Rows rows(lock_holder_);
  const Result<bool> row = lock_holder_.next();
  if (!row.ok()) return row.error();
  return Error(Code::kConflict, fmt::format("lock {} is held by plan {}", lock.name, *row ? lock_holder_.text(0) : ""));
}

Result<std::size_t> WorldWriter::sweep(std::int64_t epoch) {
  if (Status swept = sweep_events_.run(); !swept.ok()) return swept.error();
  auto removed = static_cast<std::size_t>(database_.changed_rows());
  if (Status swept = sweep_secrets_.run(); !swept.ok()) return swept.error();
  removed += static_cast<std::size_t>(database_.changed_rows());
  if (Status swept = sweep_locks_.run(epoch); !swept.ok()) return swept.error();
  removed += static_cast<std::size_t>(database_.changed_rows());
  return removed;
}

}  // namespace dynflow::persistence
