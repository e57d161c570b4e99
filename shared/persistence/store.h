// Where plans live. Two backends with the same semantics and the same test suite: SQLite and PostgreSQL.
//
// Writes are batches: all of one batch or nothing, applied in the order of submission. Many batches share one
// transaction of the backend (group commit), so a single writer costs no more than the disk's flush.
//
// Threads: everything may be called from any thread unless a line says otherwise.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "shared/base/result.h"
#include "shared/persistence/records.h"

namespace dynflow::persistence {

// A list of changes that become durable together.
class WriteBatch {
 public:
  struct InsertPlan { PlanRecord plan; };  // fails the batch with kConflict when the id exists
  struct UpdatePlan { std::string plan_id; PlanProgress progress; };
  struct UpdateStep { std::string plan_id; StepRecord step; };  // all but action, phase, class and queue
  // Replaces output, and input unless that is empty (an action's input is an object, never empty text).
  struct UpdateAction { std::string plan_id; int action_id; std::string input; std::string output; };
  struct AppendChunks { std::string plan_id; int action_id; std::vector<OutputChunk> chunks; };
  struct PutEvent { EventRecord event; };       // an id that is stored already is kept as it is
  struct DeleteEvent { std::string event_id; };
  // Inserts, or replaces the row of that id. An abandoned entry of a plan that is gone is removed.
  struct PutOutbox { OutboxRecord entry; };
  struct DeleteOutbox { std::string entry_id; };
  using Change = std::variant<InsertPlan, UpdatePlan, UpdateStep, UpdateAction, AppendChunks, PutEvent, DeleteEvent,
                              PutOutbox, DeleteOutbox>;

  template <class C>
  void add(C change) { changes_.emplace_back(std::move(change)); }
  // Appends the changes of `other`.
  void add(WriteBatch other);
  bool empty() const { return changes_.empty(); }
  std::size_t size() const { return changes_.size(); }
  const std::vector<Change>& changes() const { return changes_; }
  std::vector<Change>& changes() { return changes_; }

 private:
  std::vector<Change> changes_;
};

enum class Durability {
  kFull,     // survives a power cut once completed: plans, steps, events, callbacks
  kRelaxed,  // survives a crash of the process; the last moments may go with the power: output chunks alone
};

class Store {
 public:
  // Called once, on a thread of the store, when the batch is durable or has failed. Must be short and must not call
  // back into the store's blocking functions. Errors: kConflict (a plan id or chunk exists), kNotFound (a change names
  // a plan, step or action that is not stored), kInvalid (NUL or invalid UTF-8 in a text), kUnavailable (the database
  // cannot be written: full disk, read-only), kTooLarge, kCorrupt, kFailed; kClosed, on the submitter's thread, unless
  // the store is between start() and stop(). A batch that fails changes nothing.
  using Completion = std::function<void(Status)>;

  virtual ~Store() = default;

  // Starts the writer. Harmless twice.
  virtual Status start() = 0;
  // Writes what was submitted, then returns; later submissions complete with kClosed. Harmless twice.
  virtual void stop() = 0;

  // Never blocks on the disk. A batch of a live plan is never refused for load: `is_congested` tells launchers to hold
  // back before they submit new plans.
  virtual void submit(WriteBatch batch, Durability durability, Completion completion) = 0;
  // True while more than a bounded amount of work waits to be written.
  virtual bool is_congested() const = 0;
  // Submits and waits. Not from a store thread.
  Status commit(WriteBatch batch, Durability durability = Durability::kFull);

  // Reads see every batch whose completion was called.
  // Errors of all reads: kNotFound where one thing is asked for, kCorrupt, kUnavailable.
  virtual Result<PlanRecord> load_plan(std::string_view plan_id) = 0;
  // Chunks with a sequence above `after`, in order, at most `limit` (0 = all).
  virtual Result<std::vector<OutputChunk>> load_chunks(std::string_view plan_id, int action_id,
                                                       std::int64_t after = 0, std::size_t limit = 0) = 0;
  // The known ones among `ids`, in any order. A plan whose stored state is damaged shows as paused with an error.
  virtual Result<std::vector<PlanStatus>> load_statuses(const std::vector<std::string>& ids) = 0;
  virtual Result<std::vector<PlanIdentity>> load_identities(const std::vector<std::string>& ids) = 0;
  // Plans whose root action was called from that plan.
  virtual Result<std::vector<PlanStatus>> load_sub_plans(std::string_view caller_plan_id) = 0;
  // All plans, or those in a state. O(1).
  virtual Result<std::int64_t> count_plans(std::optional<PlanState> state) = 0;
  // Ids of plans that are not stopped, oldest first: what a new world has to look at.
  virtual Result<std::vector<std::string>> load_unfinished() = 0;
  virtual Result<std::vector<EventRecord>> load_events() = 0;
  // Entries that are not abandoned, due at `now`, the longest due first.
  virtual Result<std::vector<OutboxRecord>> load_due_outbox(Time now, std::size_t limit) = 0;
  // When the next entry that is not abandoned becomes due; nothing when there is none.
  virtual Result<std::optional<Time>> next_outbox_time() = 0;

  // Removes stopped plans, and paused ones, that ended or paused before `before`, at most `limit`, with all that belongs to
  // them; plans with undelivered outbox entries stay. The number removed. Blocks; not from a store thread.
  virtual Result<std::size_t> clean(Time before, std::size_t limit) = 0;
};

struct StoreOptions {
  std::string database;         // a file; empty = memory that ends with the process
  std::size_t reader_count = 4;
  std::size_t congestion_limit = 50'000;  // changes waiting
  std::int64_t max_bytes = 0;   // the database does not grow above this: kUnavailable then; 0 = no limit of its own
};

}  // namespace dynflow::persistence
