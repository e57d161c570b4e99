#include "shared/persistence/sqlite/sqlite_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <iterator>
#include <mutex>
#include <utility>

#include "shared/base/thread.h"
#include "shared/log/log.h"
#include "shared/persistence/checks.h"
#include "shared/persistence/sqlite/file_guard.h"
#include "shared/persistence/sqlite/group_commit.h"
#include "shared/persistence/sqlite/reader_pool.h"
#include "shared/persistence/sqlite/schema.h"
#include "shared/persistence/sqlite/world_writer.h"
#include "shared/persistence/sqlite/write_ahead_log.h"
#include "shared/persistence/store_numbers.h"

namespace dynflow::persistence {
namespace {

// A group is closed at so many changes, so that completions and, in memory, readers wait tens of milliseconds at most.
constexpr std::size_t kGroupChanges = 2000;
// The cleaner lets others write after so many plans.
constexpr std::size_t kCleanSlice = 250;
// The writer is idle after this long without work; checkpoints begin then.
constexpr std::chrono::milliseconds kIdleAfter{50};
constexpr std::int64_t kPageBytes = 4096;

class SqliteStore final : public Store, public PlanPages, public OutputEnds, public Watched {
 public:
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options);

  ~SqliteStore() override { stop(); }

  Status start() override;
  void stop() override;
  void submit(WriteBatch batch, Durability durability, Completion completion) override;
  bool is_congested() const override { return waiting_changes_.load() > options_.congestion_limit; }
  Result<std::size_t> clean(Time before, std::size_t limit, PlanArchive* archive) override;
  Result<std::int64_t> count_plans(std::optional<PlanState> state) override;

  Result<PlanRecord> load_plan(std::string_view plan_id) override { return readers_.borrow()->load_plan(plan_id); }
  Result<ActionRecord> load_action(std::string_view plan_id, int action_id) override {
    return readers_.borrow()->load_action(plan_id, action_id);
  }
  Result<std::vector<OutputChunk>> load_chunks(std::string_view plan_id, int action_id, std::int64_t after,
                                               std::size_t limit) override {
    return readers_.borrow()->load_chunks(plan_id, action_id, after, limit);
  }
  Result<std::vector<PlanStatus>> load_statuses(const std::vector<std::string>& ids) override {
    return readers_.borrow()->load_statuses(ids);
  }
  Result<std::vector<PlanIdentity>> load_identities(const std::vector<std::string>& ids) override {
    return readers_.borrow()->load_identities(ids);
  }
  Result<std::vector<PlanStatus>> load_sub_plans(std::string_view caller_plan_id) override {
    return readers_.borrow()->load_sub_plans(caller_plan_id);
  }
  Result<std::vector<std::string>> load_unfinished() override { return readers_.borrow()->load_unfinished(); }
  Result<std::vector<PlanRecord>> find_plans(const PlanFilter& filter, const PlanOrder& order) override {
    return readers_.borrow()->find_plans(filter, order);
  }
  Result<std::vector<ListedPlan>> find_page(const PlanFilter& filter, const PageOrder& order) override {
    return readers_.borrow()->list_plans(filter, order);
  }
  Result<std::int64_t> count_plans(const PlanFilter& filter) override { return readers_.borrow()->count_plans(filter); }
  Result<std::vector<EventRecord>> load_events() override;
  Result<std::vector<EventRecord>> load_events_of(std::string_view plan_id) override {
    return readers_.borrow()->load_events_of(plan_id);
  }
  Result<std::vector<OutboxRecord>> load_due_outbox(Time now, std::size_t limit,
                                                    const std::vector<std::int64_t>& under_way) override {
    return readers_.borrow()->load_due_outbox(now, limit, under_way);
  }
  Result<std::optional<Time>> next_outbox_time() override { return readers_.borrow()->next_outbox_time(); }

  bool is_shared() const override { return false; }
  Status join(const WorldRecord& world, Duration lease) override;
  Status renew() override;
  Status leave() override;
  // Nobody else could notice that this world is gone.
  Result<std::vector<std::string>> declare_dead() override { return std::vector<std::string>(); }
  Result<std::vector<WorldRecord>> load_worlds() override;
  Result<std::vector<std::string>> claim_orphans(std::size_t limit) override;
  Status claim(std::string_view plan_id) override;
  void set_wake(std::function<void()>) override {}  // nobody else stores anything

  Result<std::vector<DelayedRecord>> load_ready_delayed(Time now, std::size_t limit) override {
    return readers_.borrow()->delayed().load_ready(now, limit);
  }
  Result<DelayedRecord> load_delayed(std::string_view plan_id) override {
    return readers_.borrow()->delayed().load(plan_id);
  }
  Result<std::optional<Time>> next_delayed_time(Time now) override {
    return readers_.borrow()->delayed().next_time(now);
  }
  Result<std::vector<Prerequisite>> load_prerequisites(std::string_view plan_id) override {
    return readers_.borrow()->delayed().load_prerequisites(plan_id);
  }
  Result<std::vector<std::string>> load_dependents(std::string_view plan_id) override {
    return readers_.borrow()->delayed().load_dependents(plan_id);
  }

  Result<std::string> load_secrets(std::string_view plan_id) override { return readers_.borrow()->load_secrets(plan_id); }

  Status acquire_lock(const LockRecord& lock) override;
  Result<std::vector<LockRecord>> load_locks() override { return readers_.borrow()->load_locks(); }
  Result<std::size_t> sweep() override;

  const StoreNumbers& numbers() const override { return numbers_; }
  std::size_t waiting_changes() const override { return waiting_changes_.load(); }
  Result<OutputEnd> load_output_end(std::string_view plan_id, int action_id) override {
    return readers_.borrow()->load_output_end(plan_id, action_id);
  }
  Result<CallbackBacklog> callback_backlog() override { return readers_.borrow()->callback_backlog(); }

 private:
  struct Submission {
    WriteBatch batch;
    Durability durability;
    Completion completion;
    Status refusal;  // an error: not to be written
  };
  // The world that this store serves.
  struct CurrentWorld {
    std::string id;
    std::int64_t epoch = 0;  // 0: none
    Time last_seen{};
  };
  // What somebody waits for, in a transaction of its own.
  struct Task {
    std::function<Status()> work;
    std::promise<Status> done;
  };
  struct CleanRequest {
    Time before{};
    std::size_t limit = 0;
    std::optional<std::vector<std::int64_t>> numbers;  // these and no others
    std::size_t removed = 0;
    std::promise<Result<std::size_t>> done;  // the caller of clean() waits for it
  };

  SqliteStore(StoreOptions options, std::optional<FileGuard> guard, Database database)
      : options_(std::move(options)), guard_(std::move(guard)), database_(std::move(database)) {}

  bool is_in_memory() const { return options_.database.empty(); }
  Status prepare();
  Status add_readers();
  void publish_counts();
  // What clean() does without an archive, perhaps with these plans only.
  Result<std::size_t> request_cleaning(Time before, std::size_t limit, std::optional<std::vector<std::int64_t>> numbers);
  Result<std::size_t> archive_and_clean(Time before, std::size_t limit, PlanArchive& archive);
  // Runs it on the writer thread, in a transaction, and waits.
  Status run_task(std::function<Status()> work);
  CurrentWorld current_world();
  // kClosed when there is none.
  Result<CurrentWorld> require_world();

  // On the writer thread.
  void run_writer();
  std::vector<Submission> take_group();
  void write_group(std::vector<Submission> group);
  Status perform(const std::function<Status()>& work);
  // Removes a slice; true when the request is answered.
  bool go_on_cleaning(CleanRequest& request);
  Status set_durability(Durability durability);

  const StoreOptions options_;
  const std::optional<FileGuard> guard_;  // before the connections, so that it is released after them
  Database database_;                     // of the writer; in memory, of everybody
  BatchWriter writer_{database_};
  WorldWriter world_writer_{database_};
  std::optional<WriteAheadLog> log_;      // unless in memory
  Durability durability_ = Durability::kFull;
  std::deque<Database> reader_databases_;
  std::deque<Reader> reader_list_;
  StoreNumbers numbers_;
  ReaderPool readers_{numbers_.reads};
  std::array<std::atomic<std::int64_t>, std::tuple_size_v<StateCounts>> counts_{};
  std::atomic<std::int64_t> total_{0};
  std::atomic<std::size_t> waiting_changes_{0};

  std::mutex mutex_;
  std::condition_variable work_;  // the writer waits here
  bool is_open_ = false;          // between start() and stop()
  std::deque<Submission> queue_;
  std::deque<std::shared_ptr<Task>> tasks_;  // shared in the same way as:
  // Shared by the writer and the caller of clean(): the writer may still be in set_value() when the caller has gone on.
  std::deque<std::shared_ptr<CleanRequest>> clean_queue_;

  std::mutex world_mutex_;
  CurrentWorld world_;

  std::mutex lifecycle_;  // start() against stop(); never taken by the writer
  NamedThread thread_;
};

Result<std::unique_ptr<Store>> SqliteStore::open(const StoreOptions& options) {
  std::optional<FileGuard> guard;
  if (!options.database.empty()) {
    Result<FileGuard> acquired = FileGuard::acquire(options.database);
    if (!acquired.ok()) return acquired.error();
    guard = std::move(*acquired);
  }
  Result<Database> database = Database::open(options.database.empty() ? ":memory:" : options.database);
  if (!database.ok()) return database.error();
  std::unique_ptr<SqliteStore> store(new SqliteStore(options, std::move(guard), std::move(*database)));
  if (Status prepared = store->prepare(); !prepared.ok()) {
    return options.database.empty() ? prepared.error() : prepared.error().in(options.database);
  }
  return std::unique_ptr<Store>(std::move(store));
}

Status SqliteStore::prepare() {
  if (Status set = database_.execute("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"); !set.ok()) return set;
  if (!is_in_memory()) {
    const Result<std::string> mode = database_.query_text("PRAGMA journal_mode = WAL");
    if (!mode.ok()) return mode.error();
    if (*mode != "wal") return Error(Code::kUnavailable, "the file system has no shared memory for a write-ahead log");
    log_.emplace(database_);
    // A log that has grown under load is cut to this size when it starts again.
    Status set = database_.execute(
        "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16000;");
    if (!set.ok()) return set;
  }
  if (options_.max_bytes > 0) {
    const std::int64_t pages = std::max<std::int64_t>(1, options_.max_bytes / kPageBytes);
    const std::string limit = fmt::format("PRAGMA max_page_count = {}", pages);
    if (Status set = database_.execute(limit.c_str()); !set.ok()) return set;
  }
  if (Status upgraded = upgrade_schema(database_); !upgraded.ok()) return upgraded;
  if (Status counted = writer_.load_counts(); !counted.ok()) return counted;
  publish_counts();
  return add_readers();
}

// In memory there is one connection, and the pool is its lock: SQLite's ways to share a database in memory lock whole
// tables and answer SQLITE_LOCKED instead of waiting.
Status SqliteStore::add_readers() {
  if (is_in_memory()) {
    readers_.add(reader_list_.emplace_back(database_));
    return {};
  }
  for (std::size_t i = 0; i < std::max<std::size_t>(1, options_.reader_count); ++i) {
    Result<Database> database = Database::open(options_.database);
    if (!database.ok()) return database.error();
    Database& kept = reader_databases_.emplace_back(std::move(*database));
    if (Status set = kept.execute("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;"); !set.ok()) return set;
    readers_.add(reader_list_.emplace_back(kept));
  }
  return {};
}

Status SqliteStore::start() {
  const std::lock_guard lifecycle(lifecycle_);
  if (thread_.is_running()) return {};
  {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
  }
  thread_ = NamedThread("store", [this] { run_writer(); });
  return {};
}

void SqliteStore::stop() {
  const std::lock_guard lifecycle(lifecycle_);
  {
    const std::lock_guard lock(mutex_);
    is_open_ = false;
  }
  work_.notify_all();
  thread_.join();
}

void SqliteStore::submit(WriteBatch batch, Durability durability, Completion completion) {
  Submission submission{std::move(batch), durability, std::move(completion), {}};
  submission.refusal = check(submission.batch);
  {
    const std::lock_guard lock(mutex_);
    if (is_open_) {
      waiting_changes_ += submission.batch.size();
      queue_.push_back(std::move(submission));
      if (queue_.size() == 1) work_.notify_one();
      return;
    }
  }
  if (submission.completion) submission.completion(Error(Code::kClosed, "the store is stopped"));
}

Result<std::size_t> SqliteStore::clean(Time before, std::size_t limit, PlanArchive* archive) {
  if (archive != nullptr) return archive_and_clean(before, limit, *archive);
  return request_cleaning(before, limit, std::nullopt);
}

// The writer is not held up: a plan that is changed while it is copied is not removed, nor are those copied with it.
Result<std::size_t> SqliteStore::archive_and_clean(Time before, std::size_t limit, PlanArchive& archive) {
  std::size_t removed = 0;
  while (removed < limit) {
    const std::size_t slice = std::min(kCleanSlice, limit - removed);
    const auto numbers = readers_.borrow()->load_resting(before, slice);
    if (!numbers.ok()) return numbers.error();
    if (numbers->empty()) break;
    Status copied = archive.begin();
    if (copied.ok()) copied = readers_.borrow()->copy(*numbers, archive);
    if (copied.ok()) copied = archive.sync();
    const auto done = copied.ok() ? request_cleaning(before, slice, *numbers) : Result<std::size_t>(copied.error());
    if (!done.ok()) {
      archive.roll_back();
      if (done.error().code() == Code::kConflict) continue;
      return done.error();
    }
    archive.keep();
    removed += *done;
    if (*done < slice) break;
  }
  return removed;
}

Result<std::size_t> SqliteStore::request_cleaning(Time before, std::size_t limit,
                                                  std::optional<std::vector<std::int64_t>> numbers) {
  const auto request = std::make_shared<CleanRequest>();
  request->before = before;
  request->limit = limit;
  request->numbers = std::move(numbers);
  std::future<Result<std::size_t>> result = request->done.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (!is_open_) return Error(Code::kClosed, "the store is stopped");
    clean_queue_.push_back(request);
    work_.notify_one();
  }
  return result.get();
}

Status SqliteStore::run_task(std::function<Status()> work) {
  const auto task = std::make_shared<Task>();
  task->work = std::move(work);
  std::future<Status> result = task->done.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (!is_open_) return Error(Code::kClosed, "the store is stopped");
    tasks_.push_back(task);
    work_.notify_one();
  }
  return result.get();
}

SqliteStore::CurrentWorld SqliteStore::current_world() {
  const std::lock_guard lock(world_mutex_);
  return world_;
}

Result<SqliteStore::CurrentWorld> SqliteStore::require_world() {
  CurrentWorld world = current_world();
  if (world.epoch == 0) return Error(Code::kClosed, "no world has joined");
  return world;
}

Status SqliteStore::join(const WorldRecord& world, Duration) {
  if (Status checked = check(world); !checked.ok()) return checked;
  CurrentWorld joined{world.id, 0, system_clock().now()};
  Status done = run_task([&]() -> Status {
    const Result<std::int64_t> epoch = world_writer_.join(world, joined.last_seen);
    if (!epoch.ok()) return epoch.error();
    joined.epoch = *epoch;
    return {};
  });
  if (!done.ok()) return done;
  const std::lock_guard lock(world_mutex_);
  world_ = std::move(joined);
  return {};
}

// Nobody can take the file away from this process, so the lease is not written.
Status SqliteStore::renew() {
  const std::lock_guard lock(world_mutex_);
  if (world_.epoch == 0) return Error(Code::kClosed, "no world has joined");
  world_.last_seen = system_clock().now();
  return {};
}

Status SqliteStore::leave() {
  if (current_world().epoch == 0) return {};
  if (Status left = run_task([this] { return world_writer_.leave(); }); !left.ok()) return left;
  const std::lock_guard lock(world_mutex_);
  world_ = {};
  return {};
}

Result<std::vector<WorldRecord>> SqliteStore::load_worlds() {
  Result<std::vector<WorldRecord>> worlds = readers_.borrow()->load_worlds();
  if (!worlds.ok()) return worlds;
  const CurrentWorld current = current_world();
  for (WorldRecord& world : *worlds) {
    if (current.epoch == 0 || world.id != current.id) continue;  // of a process that is gone
    world.last_seen = current.last_seen;
    world.is_alive = true;
  }
  return worlds;
}

Result<std::vector<std::string>> SqliteStore::claim_orphans(std::size_t limit) {
  const Result<CurrentWorld> world = require_world();
  if (!world.ok()) return world.error();
  Result<std::vector<std::string>> claimed = std::vector<std::string>();
  Status done = run_task([&]() -> Status {
    claimed = world_writer_.claim_orphans(world->id, limit);
    return claimed.ok() ? Status() : claimed.error();
  });
  if (!done.ok()) return done.error();
  return claimed;
}

Status SqliteStore::claim(std::string_view plan_id) {
  const Result<CurrentWorld> world = require_world();
  if (!world.ok()) return world.error();
  return run_task([&] { return world_writer_.claim(std::string(plan_id), world->id); });
}

Status SqliteStore::acquire_lock(const LockRecord& lock) {
  if (Status checked = check(lock); !checked.ok()) return checked;
  return run_task([&, epoch = current_world().epoch] { return world_writer_.acquire_lock(lock, epoch); });
}

Result<std::size_t> SqliteStore::sweep() {
  Result<std::size_t> removed = std::size_t{0};
  Status done = run_task([&, epoch = current_world().epoch]() -> Status {
    removed = world_writer_.sweep(epoch);
    return removed.ok() ? Status() : removed.error();
  });
  if (!done.ok()) return done.error();
  return removed;
}

Result<std::vector<EventRecord>> SqliteStore::load_events() {
  const CurrentWorld world = current_world();
  return readers_.borrow()->load_events(world.epoch == 0 ? std::nullopt : std::optional(world.id));
}

Result<std::int64_t> SqliteStore::count_plans(std::optional<PlanState> state) {
  if (!state) return total_.load();
  return counts_.at(static_cast<std::size_t>(*state)).load();
}

void SqliteStore::publish_counts() {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    counts_[i].store(writer_.counts()[i]);
    total += writer_.counts()[i];
  }
  total_.store(total);
}

void SqliteStore::run_writer() {
  std::shared_ptr<CleanRequest> cleaning;
  while (true) {
    std::vector<Submission> group;
    std::deque<std::shared_ptr<Task>> tasks;
    bool is_idle = false;
    {
      std::unique_lock lock(mutex_);
      const auto is_work_queued = [&] { return cleaning || !queue_.empty() || !tasks_.empty() || !clean_queue_.empty(); };
      const auto has_work = [&] { return is_work_queued() || !is_open_; };
      if (log_ && log_->is_checkpoint_due(true)) {
        is_idle = !work_.wait_for(lock, kIdleAfter, has_work);
      } else {
        work_.wait(lock, has_work);
      }
      if (!is_open_ && !is_work_queued()) return;
      group = take_group();
      tasks.swap(tasks_);
      if (!cleaning && !clean_queue_.empty()) {
        cleaning = std::move(clean_queue_.front());
        clean_queue_.pop_front();
      }
    }
    if (!group.empty()) write_group(std::move(group));
    for (const auto& task : tasks) task->done.set_value(perform(task->work));
    if (cleaning && go_on_cleaning(*cleaning)) cleaning.reset();
    if (log_ && log_->is_checkpoint_due(is_idle)) log_->checkpoint();
  }
}

std::vector<SqliteStore::Submission> SqliteStore::take_group() {
  std::size_t changes = 0;
  auto end = queue_.begin();
  while (end != queue_.end() && (end == queue_.begin() || changes + end->batch.size() <= kGroupChanges)) {
    changes += end->batch.size();
    ++end;
  }
  std::vector<Submission> group(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return group;
}

void SqliteStore::write_group(std::vector<Submission> group) {
  std::vector<const WriteBatch*> batches;
  Durability durability = Durability::kRelaxed;
  std::size_t changes = 0;
  for (const Submission& submission : group) {
    changes += submission.batch.size();
    if (!submission.refusal.ok() || submission.batch.empty()) continue;
    batches.push_back(&submission.batch);
    if (submission.durability == Durability::kFull) durability = Durability::kFull;
  }
  std::vector<Status> outcomes;
  if (!batches.empty()) {
    std::optional<ReaderPool::Loan> connection;
    if (is_in_memory()) connection.emplace(readers_.borrow());
    const Instant begun = system_clock().instant();
    if (Status set = set_durability(durability); set.ok()) {
      outcomes = commit_group(writer_, batches);
    } else {
      outcomes.assign(batches.size(), set);
    }
    note(numbers_, changes, outcomes, system_clock().instant() - begun);
    publish_counts();
  }
  waiting_changes_ -= changes;
  auto outcome = outcomes.begin();
  for (Submission& submission : group) {
    const bool was_written = submission.refusal.ok() && !submission.batch.empty();
    Status status = was_written ? std::move(*outcome++) : std::move(submission.refusal);
    if (submission.completion) submission.completion(std::move(status));
  }
}

bool SqliteStore::go_on_cleaning(CleanRequest& request) {
  const std::size_t slice = std::min(kCleanSlice, request.limit - request.removed);
  Result<std::size_t> removed = std::size_t{0};
  if (slice > 0) {
    const Status done = perform([&]() -> Status {
      removed = request.numbers ? writer_.clean(request.before, *request.numbers) : writer_.clean(request.before, slice);
      return removed.ok() ? Status() : removed.error();
    });
    publish_counts();
    if (!done.ok()) removed = done.error();
  }
  if (!removed.ok()) {
    request.done.set_value(removed.error());
    return true;
  }
  request.removed += *removed;
  if (!request.numbers && *removed == slice && request.removed < request.limit) return false;
  request.done.set_value(request.removed);
  return true;
}

Status SqliteStore::perform(const std::function<Status()>& work) {
  std::optional<ReaderPool::Loan> connection;
  if (is_in_memory()) connection.emplace(readers_.borrow());
  if (Status set = set_durability(Durability::kFull); !set.ok()) return set;
  if (Status begun = writer_.begin(); !begun.ok()) return begun;
  Status done = work();
  if (done.ok()) done = writer_.commit();
  if (!done.ok()) writer_.roll_back();
  return done;
}

// FULL flushes the log at each commit; NORMAL leaves that to the next FULL commit or checkpoint.
Status SqliteStore::set_durability(Durability durability) {
  if (is_in_memory() || durability == durability_) return {};
  Status set = database_.execute(durability == Durability::kFull ? "PRAGMA synchronous = FULL"
                                                                 : "PRAGMA synchronous = NORMAL");
  if (set.ok()) durability_ = durability;
  return set;
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const StoreOptions& options) { return SqliteStore::open(options); }

}  // namespace dynflow::persistence
