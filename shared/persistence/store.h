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

class PlanArchive;  // plan_archive.h

// A list of changes that become durable together.
class WriteBatch {
 public:
  struct InsertPlan { PlanRecord plan; };  // fails the batch with kConflict when the id exists
  struct UpdatePlan { std::string plan_id; PlanProgress progress; };
  // Everything of a stored plan but its number, chunks and events: a scheduled plan that was planned now.
  struct ReplacePlan { PlanRecord plan; };
  struct UpdateStep { std::string plan_id; StepRecord step; };  // all but action, phase, class and queue
  // Replaces output, and input unless that is empty (an action's input is an object, never empty text).
  struct UpdateAction { std::string plan_id; int action_id; std::string input; std::string output; };
  struct AppendChunks { std::string plan_id; int action_id; std::vector<OutputChunk> chunks; };
  struct DropChunks { std::string plan_id; int action_id; };  // all that are stored; none is no mistake
  struct PutEvent { EventRecord event; };       // an id that is stored already is kept as it is
  struct DeleteEvent { std::string event_id; };
  // The world that owns the plan looks for events; for those who put one for a plan that another world works on.
  struct WakeOwner { std::string plan_id; };
  // Inserts, or replaces the row of that id. An abandoned entry of a plan that is gone is removed. An entry with a version is
  // written only while the stored one has that version: what replaced it meanwhile stays.
  struct PutOutbox { OutboxRecord entry; };
  struct DeleteOutbox { std::string entry_id; std::int64_t version = 0; };  // 0 = whichever
  struct PutDelayed { DelayedRecord delayed; };     // inserts or replaces; a prerequisite has to be stored, or to be known from before
  struct DeleteDelayed { std::string plan_id; };
  // Sealed secrets of a plan (engine/secret_keeper.h): inserts or replaces. They go with the plan.
  struct PutSecrets { std::string plan_id; std::string sealed; };
  struct DeleteSecrets { std::string plan_id; };
  struct ReleaseLocks { std::string plan_id; };     // all that the plan holds
  using Change = std::variant<InsertPlan, UpdatePlan, ReplacePlan, UpdateStep, UpdateAction, AppendChunks, DropChunks,
                              PutEvent, DeleteEvent, WakeOwner, PutOutbox, DeleteOutbox, PutDelayed, DeleteDelayed, PutSecrets,
                              DeleteSecrets, ReleaseLocks>;

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
  // One action of a plan. kNotFound: no such plan, or no such action of it.
  virtual Result<ActionRecord> load_action(std::string_view plan_id, int action_id) = 0;
  // Chunks with a sequence above `after`, in order, at most `limit` (0 = all).
  virtual Result<std::vector<OutputChunk>> load_chunks(std::string_view plan_id, int action_id,
                                                       std::int64_t after = 0, std::size_t limit = 0) = 0;
  // The known ones among `ids`, in any order. A plan whose stored state is damaged shows as paused with an error.
  virtual Result<std::vector<PlanStatus>> load_statuses(const std::vector<std::string>& ids) = 0;
  virtual Result<std::vector<PlanIdentity>> load_identities(const std::vector<std::string>& ids) = 0;
  // Plans whose root action was called from that plan.
  virtual Result<std::vector<PlanStatus>> load_sub_plans(std::string_view caller_plan_id) = 0;
  // Plans without their steps, actions and flows. For people. Words sort by their bytes; times that are not set come last.
  virtual Result<std::vector<PlanRecord>> find_plans(const PlanFilter& filter, const PlanOrder& order) = 0;
  // How many find_plans() finds without a limit.
  virtual Result<std::int64_t> count_plans(const PlanFilter& filter) = 0;
  // All plans, or those in a state. O(1).
  virtual Result<std::int64_t> count_plans(std::optional<PlanState> state) = 0;
  // Ids of plans that are not stopped, oldest first.
  virtual Result<std::vector<std::string>> load_unfinished() = 0;
  // Events of the plans that this world owns, in the order of arrival.
  virtual Result<std::vector<EventRecord>> load_events() = 0;
  // The events of one plan, whoever owns it.
  virtual Result<std::vector<EventRecord>> load_events_of(std::string_view plan_id) = 0;
  // Entries that are not abandoned, due at `now`, the longest due first. They are this world's from now on: another one gets them
  // only when this one is gone. Those of the versions `under_way`, which the caller has already, are left out and do not count.
  virtual Result<std::vector<OutboxRecord>> load_due_outbox(Time now, std::size_t limit, const std::vector<std::int64_t>& under_way) = 0;
  // When the next entry that is not abandoned becomes due; nothing when there is none.
  virtual Result<std::optional<Time>> next_outbox_time() = 0;

  // -- Worlds. A store serves one world at a time; on a database that several processes share, the others have stores of their own.

  // True when other processes may work on the same database.
  virtual bool is_shared() const = 0;
  // Registers the world. From now on everything that is written carries its epoch. Its lease ends `lease` after the last renew(), by
  // the database's clock; a world that is still registered in this store, under any id, is removed first, as by leave(). Blocks.
  virtual Status join(const WorldRecord& world, Duration lease) = 0;
  // Makes the lease last longer. kClosed, here and for claims: no world, or it was declared dead meanwhile, and another may own
  // its plans; in that case every batch completes with kClosed until the next join(), which owns nothing yet. Blocks.
  virtual Status renew() = 0;
  // Removes the world; plans in work become claimable, its locks and outbox entries anybody's. Harmless without a world. Blocks.
  virtual Status leave() = 0;
  // Declares worlds dead whose lease has run out: from then on they cannot write. Their ids. Blocks.
  virtual Result<std::vector<std::string>> declare_dead() = 0;
  // All worlds that are registered. Blocks.
  virtual Result<std::vector<WorldRecord>> load_worlds() = 0;
  // Makes this world the owner of unfinished plans (neither stopped, paused nor scheduled) that no registered world owns, at
  // most `limit`. Their ids, oldest first. Blocks.
  virtual Result<std::vector<std::string>> claim_orphans(std::size_t limit) = 0;
  // Makes this world the owner of one plan that is not stopped. kConflict: another registered world owns it; kNotFound: no such plan, or
  // it is stopped. Blocks.
  virtual Status claim(std::string_view plan_id) = 0;
  // Called, on a thread of the store, when another world may have stored something that concerns this one: events for its
  // plans, plans without an owner, delayed plans; and after a lost connection. Must be short. Set before join(); null = nobody.
  virtual void set_wake(std::function<void()> wake) = 0;

  // -- Delayed plans.

  // Not frozen; start_at or start_before has come, or there is no start_at; nothing that blocks it is unfinished. By start_at.
  // What blocked it and was cleaned counts with what it had become; while paused: stopped with an error.
  virtual Result<std::vector<DelayedRecord>> load_ready_delayed(Time now, std::size_t limit) = 0;
  // kNotFound: the plan has no delayed record.
  virtual Result<DelayedRecord> load_delayed(std::string_view plan_id) = 0;
  // The earliest start_at or start_before of a record that is not frozen and lies in the future; nothing when there is none.
  virtual Result<std::optional<Time>> next_delayed_time(Time now) = 0;
  virtual Result<std::vector<Prerequisite>> load_prerequisites(std::string_view plan_id) = 0;
  // Ids of the plans that wait for this one.
  virtual Result<std::vector<std::string>> load_dependents(std::string_view plan_id) = 0;

  // -- Secrets.

  // As they were put. kNotFound: none are stored for that plan.
  virtual Result<std::string> load_secrets(std::string_view plan_id) = 0;

  // -- Locks of plans.

  // kConflict: another plan holds it, that is in work or about to be made by a registered world. Held until ReleaseLocks. A plan that
  // asks again has it already. Blocks.
  virtual Status acquire_lock(const LockRecord& lock) = 0;
  virtual Result<std::vector<LockRecord>> load_locks() = 0;

  // -- Tidying.

  // Removes events of plans that are stopped or gone, secrets of stopped ones, and locks of such plans and of paused ones. The number of rows. Blocks.
  virtual Result<std::size_t> sweep() = 0;
  // Removes stopped plans, and paused ones, that ended or paused before `before`, at most `limit`, with all that belongs to
  // them; plans with undelivered outbox entries stay. The number removed. With an archive they are written there first: what cannot be written is
  // not removed (kUnavailable). Blocks; not from a store thread.
  virtual Result<std::size_t> clean(Time before, std::size_t limit, PlanArchive* archive) = 0;
  Result<std::size_t> clean(Time before, std::size_t limit) { return clean(before, limit, nullptr); }
};

struct StoreOptions {
  std::string database;         // SQLite: a file, empty = memory that ends with the process. PostgreSQL: postgresql://...
  std::size_t reader_count = 4;
  std::size_t congestion_limit = 50'000;  // changes waiting
  std::int64_t max_bytes = 0;   // the database does not grow above this: kUnavailable then; 0 = no limit of its own
};

}  // namespace dynflow::persistence
