#include "shared/persistence/postgres/worlds.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

namespace dynflow::persistence::postgres {
namespace {

constexpr Statement kCheckSql{"SELECT check_world($1, $2)"};
constexpr Statement kDisownSql{
    "UPDATE plans SET owner = '' WHERE number IN (SELECT number FROM plans WHERE state <> 'stopped' AND owner = $1)"};
constexpr Statement kDisownOutboxSql{"UPDATE outbox SET owner = '' WHERE NOT is_abandoned AND owner = $1"};
constexpr Statement kJoinSql{
    "INSERT INTO worlds (id, meta, last_seen, lease_until) VALUES ($1, $2, clock_timestamp(),"
    " clock_timestamp() + $3::float8 * interval '1 second') ON CONFLICT (id) DO UPDATE SET epoch = DEFAULT,"
    " meta = excluded.meta, last_seen = excluded.last_seen, lease_until = excluded.lease_until RETURNING epoch"};
constexpr Statement kRenewSql{
    "UPDATE worlds SET last_seen = clock_timestamp(), lease_until = clock_timestamp() + $3::float8 * interval '1 second'"
    " WHERE id = $1 AND epoch = $2::bigint"};
constexpr Statement kLeaveSql{"DELETE FROM worlds WHERE id = $1 AND epoch = $2::bigint"};
constexpr Statement kWakeAllSql{"SELECT pg_notify('dynflow:' || current_schema(), '*')"};
// One that is writing at this moment is not dead; it is looked at again.
constexpr Statement kDeclareDeadSql{
    "WITH dead AS (DELETE FROM worlds WHERE epoch IN (SELECT epoch FROM worlds WHERE lease_until < clock_timestamp()"
    " FOR UPDATE SKIP LOCKED) RETURNING id), woken AS (SELECT pg_notify('dynflow:' || current_schema(), '*') FROM dead LIMIT 1)"
    " SELECT id FROM dead LEFT JOIN woken ON true ORDER BY id"};
constexpr Statement kWorldsSql{
    "SELECT id, meta, (extract(epoch FROM last_seen) * 1000000)::bigint, lease_until >= clock_timestamp() FROM worlds"
    " ORDER BY epoch"};

// Owners are few, plans are many: the index is asked for one owner after the other, and of each that is gone for no more than are wanted.
constexpr Statement kClaimOrphansSql{
    "WITH RECURSIVE owners (owner) AS ("
    "(SELECT owner FROM plans WHERE state IN ('pending', 'planning', 'planned', 'running') ORDER BY owner LIMIT 1)"
    " UNION ALL SELECT (SELECT p.owner FROM plans p WHERE p.state IN ('pending', 'planning', 'planned', 'running')"
    " AND p.owner > o.owner ORDER BY p.owner LIMIT 1) FROM owners o WHERE o.owner IS NOT NULL),"
    " gone AS MATERIALIZED (SELECT o.owner FROM owners o WHERE o.owner IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = o.owner)),"
    " orphans AS MATERIALIZED (SELECT found.number FROM gone CROSS JOIN LATERAL (SELECT p.number FROM plans p"
    " WHERE p.state IN ('pending', 'planning', 'planned', 'running') AND p.owner = gone.owner"
    " ORDER BY p.number LIMIT $2::bigint FOR UPDATE SKIP LOCKED) AS found ORDER BY found.number LIMIT $2::bigint)"
    " UPDATE plans SET owner = $1, claim = $3::bigint WHERE number = ANY (ARRAY(SELECT number FROM orphans)) RETURNING number, id"};
// What claims whose answer was lost have brought; it looks at all that the world owns.
constexpr Statement kClaimedSql{
    "SELECT number, id FROM plans WHERE owner = $1 AND state IN ('pending', 'planning', 'planned', 'running')"
    " AND claim = ANY($2::bigint[])"};
constexpr Statement kClaimSql{
    "UPDATE plans SET owner = $1 WHERE id = $2 AND state <> 'stopped' AND (owner IN ('', $1)"
    " OR NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = owner)) RETURNING id"};
constexpr Statement kOwnerSql{"SELECT owner FROM plans WHERE id = $1 AND state <> 'stopped'"};

constexpr Statement kTakeOutboxSql{
    "WITH RECURSIVE owners (owner) AS ((SELECT owner FROM outbox WHERE NOT is_abandoned ORDER BY owner LIMIT 1)"
    " UNION ALL SELECT (SELECT b.owner FROM outbox b WHERE NOT b.is_abandoned AND b.owner > o.owner ORDER BY b.owner LIMIT 1)"
    " FROM owners o WHERE o.owner IS NOT NULL),"
    " orphans AS MATERIALIZED (SELECT b.number FROM outbox b WHERE NOT b.is_abandoned AND b.next_attempt_at <= $2::bigint"
    " AND b.owner IN (SELECT owner FROM owners o WHERE NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = o.owner))"
    " ORDER BY b.next_attempt_at, b.number LIMIT $3::bigint FOR UPDATE OF b SKIP LOCKED)"
    " UPDATE outbox SET owner = $1 FROM orphans WHERE outbox.number = orphans.number"};
constexpr Statement kDueOutboxSql{
    "SELECT id, plan_id, action_id, callback, data, request_id, attempts, created_at, next_attempt_at, last_error, version"
    " FROM outbox WHERE NOT is_abandoned AND owner = $1 AND next_attempt_at <= $2::bigint"
    " AND version NOT IN (SELECT unnest($4::bigint[]))"  // a hash table, for any number of them
    " ORDER BY next_attempt_at, number LIMIT $3::bigint"};
// Without a world: those that no living world delivers.
constexpr Statement kFreeOutboxSql{
    "SELECT id, plan_id, action_id, callback, data, request_id, attempts, created_at, next_attempt_at, last_error, version"
    " FROM outbox b WHERE NOT is_abandoned AND next_attempt_at <= $1::bigint"
    " AND NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = b.owner AND w.lease_until >= clock_timestamp())"
    " AND version NOT IN (SELECT unnest($3::bigint[])) ORDER BY next_attempt_at, number LIMIT $2::bigint"};
constexpr Statement kNextOutboxSql{
    "WITH RECURSIVE owners (owner) AS ((SELECT owner FROM outbox WHERE NOT is_abandoned ORDER BY owner LIMIT 1)"
    " UNION ALL SELECT (SELECT b.owner FROM outbox b WHERE NOT b.is_abandoned AND b.owner > o.owner ORDER BY b.owner LIMIT 1)"
    " FROM owners o WHERE o.owner IS NOT NULL)"
    " SELECT min(due.first) FROM owners o CROSS JOIN LATERAL (SELECT min(b.next_attempt_at) AS first FROM outbox b"
    " WHERE NOT b.is_abandoned AND b.owner = o.owner) AS due"
    " WHERE o.owner = $1 OR NOT EXISTS (SELECT 1 FROM worlds w WHERE w.id = o.owner)"};

// Locked first, so that the next statement sees what became of the plan that holds it.
constexpr Statement kLookAtLockSql{"SELECT 1 FROM locks WHERE name = $1 FOR UPDATE"};
constexpr Statement kAcquireLockSql{
    "INSERT INTO locks AS l (name, plan_id, epoch) VALUES ($1, $2, $3::bigint) ON CONFLICT (name) DO UPDATE"
    " SET plan_id = excluded.plan_id, epoch = excluded.epoch"
    " WHERE l.plan_id = excluded.plan_id OR NOT is_lock_held(l.plan_id, l.epoch) RETURNING plan_id"};
constexpr Statement kLockHolderSql{"SELECT plan_id FROM locks WHERE name = $1"};
constexpr Statement kSweepEventsSql{
    "DELETE FROM events WHERE NOT EXISTS (SELECT 1 FROM plans p WHERE p.id = events.plan_id AND p.state <> 'stopped')"};
constexpr Statement kSweepSecretsSql{
    "DELETE FROM secrets WHERE NOT EXISTS (SELECT 1 FROM plans p WHERE p.number = secrets.plan AND p.state <> 'stopped')"};
constexpr Statement kSweepLocksSql{"DELETE FROM locks WHERE NOT is_lock_held(plan_id, epoch)"};
// What writers leave behind that were killed: nobody asks for it any more. And callbacks that were given up just when their plan went.
constexpr Statement kSweepWritersSql{"DELETE FROM writers WHERE used_at < now() - interval '30 days'"};
constexpr Statement kSweepOutboxSql{
    "DELETE FROM outbox WHERE is_abandoned AND NOT EXISTS (SELECT 1 FROM plans p WHERE p.id = outbox.plan_id)"};
// What belongs to the plans goes by a trigger of the schema.
constexpr Statement kCleanSql{
    "DELETE FROM plans WHERE number IN (SELECT number FROM plans WHERE resting_since IS NOT NULL AND resting_since < $1::bigint"
    " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.plan_id = plans.id AND NOT o.is_abandoned)"
    " ORDER BY resting_since LIMIT $2::bigint FOR UPDATE SKIP LOCKED)"};
constexpr Statement kRestingSql{
    "SELECT number FROM plans WHERE resting_since IS NOT NULL AND resting_since < $1::bigint"
    " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.plan_id = plans.id AND NOT o.is_abandoned)"
    " ORDER BY resting_since LIMIT $2::bigint FOR UPDATE SKIP LOCKED"};
constexpr Statement kRemoveSql{"DELETE FROM plans WHERE number = ANY($1::bigint[])"};
// Rows that are fetched at a time for the archive: outputs are large.
constexpr int kCopiedRows = 200;

std::int64_t new_claim() {
  std::random_device device;
  return static_cast<std::int64_t>((static_cast<std::uint64_t>(device()) << 31 ^ device()) & 0x7fff'ffff'ffff'ffffU);
}

Error no_such_plan(std::string_view plan_id) {
  return {Code::kNotFound, fmt::format("no plan {} that is not stopped", plan_id)};
}

Status copy(Connection& connection, PlanArchive::Table table, const std::vector<std::int64_t>& numbers, PlanArchive& archive) {
  connection.queue_text("DECLARE copied NO SCROLL CURSOR FOR " + PlanArchive::query(table, numbers));
  const std::string fetch = fmt::format("FETCH {} FROM copied", kCopiedRows);
  PlanArchive::Row values;
  for (int count = kCopiedRows; count == kCopiedRows;) {
    connection.queue_text(fetch);
    const auto answers = connection.run(ConnectionPool::deadline());
    if (!answers.ok()) return answers.error();
    const Rows& rows = answers->back();
    count = rows.count();
    for (int row = 0; row < count; ++row) {
      values.clear();
      for (int column = 0; column < rows.columns(); ++column) {
        values.push_back(rows.is_null(row, column) ? std::nullopt : std::optional(rows.text(row, column)));
      }
      if (Status added = archive.add(table, values); !added.ok()) return added;
    }
  }
  connection.queue_text("CLOSE copied");
  return {};
}

Status status_of(const Result<std::vector<Rows>>& answers) { return answers.ok() ? Status() : Status(answers.error()); }

}  // namespace

template <class Queue>
Result<std::vector<Rows>> Worlds::transact(const Fence& fence, Queue queue) {
  auto answers = pool_.transact([&](Connection& connection) {
    connection.queue(kCheckSql, fence.world, fence.epoch);
    queue(connection);
  });
  if (answers.ok()) answers->erase(answers->begin());
  return answers;
}

Result<std::int64_t> Worlds::join(const WorldRecord& world, Duration lease) {
  const auto answers = pool_.transact([&](Connection& connection) {
    connection.queue(kJoinSql, world.id, world.meta, to_seconds(lease));
    connection.queue(kDisownSql, world.id);
    connection.queue(kDisownOutboxSql, world.id);
  });
  if (!answers.ok()) return answers.error();
  return answers->front().integer(0, 0);
}

Status Worlds::renew(const Fence& fence, Duration lease) {
  const Result<Rows> rows = pool_.run(kRenewSql, fence.world, fence.epoch, to_seconds(lease));
  if (!rows.ok()) return rows.error();
  if (rows->changed() == 0) return Error(Code::kClosed, "this world was declared dead");
  return {};
}

Status Worlds::leave(const Fence& fence) {
  const auto answers = pool_.transact([&](Connection& connection) {
    connection.queue(kLeaveSql, fence.world, fence.epoch);
    connection.queue(kDisownSql, fence.world);
    connection.queue(kDisownOutboxSql, fence.world);
    connection.queue(kWakeAllSql);
  });
  return status_of(answers);
}

Result<std::vector<std::string>> Worlds::declare_dead() {
  const Result<Rows> rows = pool_.run(kDeclareDeadSql);
  if (!rows.ok()) return rows.error();
  return rows->first_texts();
}

Result<std::vector<WorldRecord>> Worlds::load_worlds() {
  const Result<Rows> rows = pool_.run(kWorldsSql);
  if (!rows.ok()) return rows.error();
  std::vector<WorldRecord> worlds;
  for (int row = 0; row < rows->count(); ++row) {
    worlds.push_back({rows->string(row, 0), rows->string(row, 1), rows->time(row, 2), rows->boolean(row, 3)});
  }
  return worlds;
}

Result<std::vector<std::string>> Worlds::claim_orphans(const Fence& fence, std::size_t limit) {
  std::vector<std::int64_t> claims;
  {
    const std::lock_guard lock(mutex_);
    claims = claims_in_doubt_;
  }
  const std::size_t known = claims.size();
  // A transaction that was not answered is tried again; it may have taken place, so each has a name of its own.
  const auto answers = transact(fence, [&](Connection& connection) {
    claims.push_back(new_claim());
    Column doubtful('i');
    for (const std::int64_t claim : claims) doubtful.add(claim);
    connection.queue(kClaimOrphansSql, fence.world, static_cast<std::int64_t>(limit), claims.back());
    if (claims.size() > 1) connection.queue(kClaimedSql, fence.world, doubtful);
  });
  const std::lock_guard lock(mutex_);
  if (!answers.ok()) {
    if (answers.error().code() == Code::kClosed) {
      claims_in_doubt_.clear();  // another epoch owns nothing by these
    } else {
      claims_in_doubt_.insert(claims_in_doubt_.end(), claims.begin() + static_cast<std::ptrdiff_t>(known), claims.end());
    }
    return answers.error();
  }
  claims_in_doubt_.clear();
  std::vector<std::pair<std::int64_t, std::string>> claimed;
  const Rows& rows = answers->back();
  for (int row = 0; row < rows.count(); ++row) claimed.emplace_back(rows.integer(row, 0), rows.string(row, 1));
  std::sort(claimed.begin(), claimed.end());
  std::vector<std::string> ids;
  for (auto& [number, id] : claimed) ids.push_back(std::move(id));
  return ids;
}

Status Worlds::claim(const Fence& fence, std::string_view plan_id) {
  const auto answers = transact(fence, [&](Connection& connection) {
    connection.queue(kClaimSql, fence.world, plan_id);
    connection.queue(kOwnerSql, plan_id);
  });
  if (!answers.ok()) return answers.error();
  if (answers->front().count() > 0) return {};
  const Rows& owner = answers->back();
  if (owner.count() == 0) return no_such_plan(plan_id);
  return Error(Code::kConflict, fmt::format("plan {} belongs to world {}", plan_id, owner.text(0, 0)));
}

Result<std::vector<OutboxRecord>> Worlds::load_due_outbox(const Fence& fence, Time now, std::size_t limit,
                                                          const std::vector<std::int64_t>& under_way) {
  const auto count = static_cast<std::int64_t>(limit);
  Column known('i');
  for (const std::int64_t version : under_way) known.add(version);
  const auto answers = transact(fence, [&](Connection& connection) {
    if (fence.epoch == 0) return connection.queue(kFreeOutboxSql, now, count, known);
    connection.queue(kTakeOutboxSql, fence.world, now, count);
    connection.queue(kDueOutboxSql, fence.world, now, count, known);
  });
  if (!answers.ok()) return answers.error();
  const Rows& rows = answers->back();
  std::vector<OutboxRecord> entries;
  for (int row = 0; row < rows.count(); ++row) {
    OutboxRecord entry;
    entry.id = rows.string(row, 0);
    entry.plan_id = rows.string(row, 1);
    entry.action_id = rows.small_integer(row, 2);
    entry.callback = rows.string(row, 3);
    entry.data = rows.string(row, 4);
    entry.request_id = rows.string(row, 5);
    entry.attempts = rows.small_integer(row, 6);
    entry.created_at = rows.time(row, 7);
    entry.next_attempt_at = rows.time(row, 8);
    entry.last_error = rows.string(row, 9);
    entry.version = rows.integer(row, 10);
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<std::optional<Time>> Worlds::next_outbox_time(const Fence& fence) {
  const Result<Rows> rows = pool_.run(kNextOutboxSql, fence.world);
  if (!rows.ok()) return rows.error();
  return rows->optional_time(0, 0);
}

Status Worlds::acquire_lock(const Fence& fence, const LockRecord& lock) {
  const auto answers = transact(fence, [&](Connection& connection) {
    connection.queue(kLookAtLockSql, lock.name);
    connection.queue(kAcquireLockSql, lock.name, lock.plan_id, fence.epoch);
    connection.queue(kLockHolderSql, lock.name);
  });
  if (!answers.ok()) return answers.error();
  if ((*answers)[1].count() > 0) return {};
  const Rows& holder = answers->back();
  return Error(Code::kConflict,
               fmt::format("lock {} is held by plan {}", lock.name, holder.count() > 0 ? holder.text(0, 0) : ""));
}

Result<std::size_t> Worlds::sweep(const Fence& fence) {
  const auto answers = transact(fence, [&](Connection& connection) {
    connection.queue(kSweepEventsSql);
    connection.queue(kSweepLocksSql);
    connection.queue(kSweepSecretsSql);
    connection.queue(kSweepWritersSql);
    connection.queue(kSweepOutboxSql);
  });
  if (!answers.ok()) return answers.error();
  return (*answers)[0].changed() + (*answers)[1].changed() + (*answers)[2].changed();
}

Result<std::size_t> Worlds::clean(const Fence& fence, Time before, std::size_t limit) {
  const auto answers = transact(fence, [&](Connection& connection) {
    connection.queue(kCleanSql, before, static_cast<std::int64_t>(limit));
  });
  if (!answers.ok()) return answers.error();
  return answers->front().changed();
}

Result<std::size_t> Worlds::clean(const Fence& fence, Time before, std::size_t limit, PlanArchive& archive) {
  return pool_.with([&](Connection& connection) -> Result<std::size_t> {
    connection.queue_text("BEGIN");
    connection.queue(kCheckSql, fence.world, fence.epoch);
    Result<std::size_t> removed = Worlds::archive(connection, before, limit, archive);
    if (removed.ok()) {
      if (const auto done = connection.run(ConnectionPool::deadline()); !done.ok()) removed = done.error();
      // Unless the server has said that they are still there, they may be gone: then the archive has them.
      if (removed.ok() || connection.is_lost()) archive.keep();
    }
    if (removed.ok()) return removed;
    archive.roll_back();
    if (!connection.is_lost()) {
      connection.queue_text("ROLLBACK");
      // A connection that is lost meanwhile is made again by the next who needs it.
      static_cast<void>(connection.run(ConnectionPool::deadline()));
    }
    return removed;
  });
}

Result<std::size_t> Worlds::archive(Connection& connection, Time before, std::size_t limit, PlanArchive& archive) {
  connection.queue(kRestingSql, before, static_cast<std::int64_t>(limit));
  const auto found = connection.run(ConnectionPool::deadline());
  if (!found.ok()) return found.error();
  std::vector<std::int64_t> numbers;
  for (int row = 0; row < found->back().count(); ++row) numbers.push_back(found->back().integer(row, 0));
  if (!numbers.empty()) {
    if (Status begun = archive.begin(); !begun.ok()) return begun.error();
    for (std::size_t i = 0; i < PlanArchive::kTableCount; ++i) {
      if (Status copied = copy(connection, static_cast<PlanArchive::Table>(i), numbers, archive); !copied.ok()) return copied.error();
    }
    if (Status synced = archive.sync(); !synced.ok()) return synced.error();
    Column all('i');
    for (const std::int64_t number : numbers) all.add(number);
    connection.queue(kRemoveSql, all);
  }
  connection.queue_text("COMMIT");
  return numbers.size();
}

}  // namespace dynflow::persistence::postgres
