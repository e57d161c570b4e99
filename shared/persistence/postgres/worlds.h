// Worlds, what they own, locks, and tidying: short transactions, each fenced by the epoch of the world that asks.
//
// Threads: any.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "shared/persistence/postgres/connection_pool.h"
#include "shared/persistence/plan_archive.h"
#include "shared/persistence/postgres/group_writer.h"
#include "shared/persistence/store.h"

namespace dynflow::persistence::postgres {

// Store documents what they do. kClosed: the world of the fence was declared dead.
class Worlds {
 public:
  explicit Worlds(ConnectionPool& pool) : pool_(pool) {}

  // Its epoch. A world of that id that is still registered is replaced; what it owned is anybody's.
  Result<std::int64_t> join(const WorldRecord& world, Duration lease);
  Status renew(const Fence& fence, Duration lease);
  Status leave(const Fence& fence);
  Result<std::vector<std::string>> declare_dead();
  Result<std::vector<WorldRecord>> load_worlds();
  Result<std::vector<std::string>> claim_orphans(const Fence& fence, std::size_t limit);
  Status claim(const Fence& fence, std::string_view plan_id);
  Result<std::vector<OutboxRecord>> load_due_outbox(const Fence& fence, Time now, std::size_t limit,
                                                    const std::vector<std::int64_t>& under_way);
  Result<std::optional<Time>> next_outbox_time(const Fence& fence);
  Status acquire_lock(const Fence& fence, const LockRecord& lock);
  Result<std::size_t> sweep(const Fence& fence);
  // In one go.
  Result<std::size_t> clean(const Fence& fence, Time before, std::size_t limit);
  Result<std::size_t> clean(const Fence& fence, Time before, std::size_t limit, PlanArchive& archive);

 private:
  // A transaction behind the fence. The answers to what `queue` queues.
  template <class Queue>
  Result<std::vector<Rows>> transact(const Fence& fence, Queue queue);
  // In a transaction that was begun: up to its commit, which is queued. The number of plans.
  static Result<std::size_t> archive(Connection& connection, Time before, std::size_t limit, PlanArchive& archive);

  ConnectionPool& pool_;
  std::mutex mutex_;
  // Claims whose transaction was not answered: it may have taken place. The next claim looks for what they made this world's.
  std::vector<std::int64_t> claims_in_doubt_;
};

}  // namespace dynflow::persistence::postgres
