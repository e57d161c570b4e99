#include "shared/persistence/sqlite/sqlite_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
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
#include "shared/persistence/sqlite/write_ahead_log.h"

namespace dynflow::persistence {
namespace {

// A group is closed at so many changes, so that completions and, in memory, readers wait tens of milliseconds at most.
constexpr std::size_t kGroupChanges = 2000;
// The cleaner lets others write after so many plans.
constexpr std::size_t kCleanSlice = 250;
// The writer is idle after this long without work; checkpoints begin then.
constexpr std::chrono::milliseconds kIdleAfter{50};
constexpr std::int64_t kPageBytes = 4096;

class SqliteStore final : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options);

  ~SqliteStore() override { stop(); }

  Status start() override;
  void stop() override;
  void submit(WriteBatch batch, Durability durability, Completion completion) override;
  bool is_congested() const override { return waiting_changes_.load() > options_.congestion_limit; }
  Result<std::size_t> clean(Time before, std::size_t limit) override;
  Result<std::int64_t> count_plans(std::optional<PlanState> state) override;

  Result<PlanRecord> load_plan(std::string_view plan_id) override { return readers_.borrow()->load_plan(plan_id); }
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
  Result<std::vector<EventRecord>> load_events() override { return readers_.borrow()->load_events(); }
  Result<std::vector<OutboxRecord>> load_due_outbox(Time now, std::size_t limit) override {
    return readers_.borrow()->load_due_outbox(now, limit);
  }
  Result<std::optional<Time>> next_outbox_time() override { return readers_.borrow()->next_outbox_time(); }

 private:
  struct Submission {
    WriteBatch batch;
    Durability durability;
    Completion completion;
    Status refusal;  // an error: not to be written
  };
  struct CleanRequest {
    Time before{};
    std::size_t limit = 0;
    std::size_t removed = 0;
    std::promise<Result<std::size_t>> done;  // the caller of clean() waits for it
  };

  SqliteStore(StoreOptions options, std::optional<FileGuard> guard, Database database)
      : options_(std::move(options)), guard_(std::move(guard)), database_(std::move(database)) {}

  bool is_in_memory() const { return options_.database.empty(); }
  Status prepare();
  Status add_readers();
  void publish_counts();

  // On the writer thread.
  void run_writer();
  std::vector<Submission> take_group();
  void write_group(std::vector<Submission> group);
  // Removes a slice; true when the request is answered.
  bool go_on_cleaning(CleanRequest& request);
  Result<std::size_t> clean_slice(Time before, std::size_t limit);
  Status set_durability(Durability durability);

  const StoreOptions options_;
  const std::optional<FileGuard> guard_;  // before the connections, so that it is released after them
  Database database_;                     // of the writer; in memory, of everybody
  BatchWriter writer_{database_};
  std::optional<WriteAheadLog> log_;      // unless in memory
  Durability durability_ = Durability::kFull;
  std::deque<Database> reader_databases_;
  std::deque<Reader> reader_list_;
  ReaderPool readers_;
  std::array<std::atomic<std::int64_t>, std::tuple_size_v<StateCounts>> counts_{};
  std::atomic<std::int64_t> total_{0};
  std::atomic<std::size_t> waiting_changes_{0};

  std::mutex mutex_;
  std::condition_variable work_;  // the writer waits here
  bool is_open_ = false;          // between start() and stop()
  std::deque<Submission> queue_;
  // Shared by the writer and the caller of clean(): the writer may still be in set_value() when the caller has gone on.
  std::deque<std::shared_ptr<CleanRequest>> clean_queue_;

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

Result<std::size_t> SqliteStore::clean(Time before, std::size_t limit) {
  const auto request = std::make_shared<CleanRequest>();
  request->before = before;
  request->limit = limit;
  std::future<Result<std::size_t>> result = request->done.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (!is_open_) return Error(Code::kClosed, "the store is stopped");
    clean_queue_.push_back(request);
    work_.notify_one();
  }
  return result.get();
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
    bool is_idle = false;
    {
      std::unique_lock lock(mutex_);
      const auto has_work = [&] { return cleaning || !queue_.empty() || !clean_queue_.empty() || !is_open_; };
      if (log_ && log_->is_checkpoint_due(true)) {
        is_idle = !work_.wait_for(lock, kIdleAfter, has_work);
      } else {
        work_.wait(lock, has_work);
      }
      if (!is_open_ && !cleaning && queue_.empty() && clean_queue_.empty()) return;
      group = take_group();
      if (!cleaning && !clean_queue_.empty()) {
        cleaning = std::move(clean_queue_.front());
        clean_queue_.pop_front();
      }
    }
    if (!group.empty()) write_group(std::move(group));
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
    if (Status set = set_durability(durability); set.ok()) {
      outcomes = commit_group(writer_, batches);
    } else {
      outcomes.assign(batches.size(), set);
    }
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
  const Result<std::size_t> removed = slice == 0 ? Result<std::size_t>(0) : clean_slice(request.before, slice);
  if (!removed.ok()) {
    request.done.set_value(removed.error());
    return true;
  }
  request.removed += *removed;
  if (*removed == slice && request.removed < request.limit) return false;
  request.done.set_value(request.removed);
  return true;
}

Result<std::size_t> SqliteStore::clean_slice(Time before, std::size_t limit) {
  std::optional<ReaderPool::Loan> connection;
  if (is_in_memory()) connection.emplace(readers_.borrow());
  if (Status begun = writer_.begin(); !begun.ok()) return begun.error();
  Result<std::size_t> removed = writer_.clean(before, limit);
  if (removed.ok()) {
    if (Status committed = writer_.commit(); !committed.ok()) removed = committed.error();
  }
  if (!removed.ok()) writer_.roll_back();
  publish_counts();
  return removed;
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
