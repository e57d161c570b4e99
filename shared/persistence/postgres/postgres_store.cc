#include "shared/persistence/postgres/postgres_store.h"

#include <algorithm>
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
#include "shared/persistence/postgres/connection_pool.h"
#include "shared/persistence/postgres/group_writer.h"
#include "shared/persistence/postgres/notifier.h"
#include "shared/persistence/postgres/reader.h"
#include "shared/persistence/postgres/schema.h"
#include "shared/persistence/postgres/worlds.h"

namespace dynflow::persistence {
namespace {

using namespace postgres;

// A group is closed at so many changes or bytes, so that completions wait tens of milliseconds at most.
constexpr std::size_t kGroupChanges = 2000;
constexpr std::size_t kGroupBytes = 16U << 20;
// The cleaner lets others lock plans after so many.
constexpr std::size_t kCleanSlice = 1000;
// The same when they are copied first, with all their output.
constexpr std::size_t kCopySlice = 250;
constexpr std::chrono::seconds kOpenTime{10};
// stop() gives a server that is away this long to come back.
constexpr std::chrono::seconds kStopGrace{5};
// leave() waits this long for what was submitted.
constexpr std::chrono::seconds kDrainTime{10};

std::size_t bytes_of(const PlanRecord& plan) {
  std::size_t total = 0;
  for (const ActionRecord& action : plan.actions) total += action.input.size() + action.output.size();
  return total;
}

// Of what may be large.
std::size_t bytes_of(const WriteBatch& batch) {
  std::size_t total = 0;
  for (const WriteBatch::Change& change : batch.changes()) {
    if (const auto* inserted = std::get_if<WriteBatch::InsertPlan>(&change)) total += bytes_of(inserted->plan);
    if (const auto* replaced = std::get_if<WriteBatch::ReplacePlan>(&change)) total += bytes_of(replaced->plan);
    if (const auto* updated = std::get_if<WriteBatch::UpdateAction>(&change)) {
      total += updated->input.size() + updated->output.size();
    }
    if (const auto* appended = std::get_if<WriteBatch::AppendChunks>(&change)) {
      for (const OutputChunk& chunk : appended->chunks) total += chunk.output.size();
    }
  }
  return total;
}

class PostgresStore final : public Store, public PlanPages, public OutputEnds, public Watched {
 public:
  PostgresStore(StoreOptions options, ServerUrl url)
      : options_(std::move(options)),
        url_(std::move(url)),
        pool_(url_, std::max<std::size_t>(1, options_.reader_count), numbers_.reads),
        writer_(url_, [this](Duration pause) { return wait_for_server(pause); }),
        notifier_(url_) {}
  ~PostgresStore() override { stop(); }

  Status start() override;
  void stop() override;
  void submit(WriteBatch batch, Durability durability, Completion completion) override;
  bool is_congested() const override { return waiting_changes_.load() > options_.congestion_limit; }

  Result<PlanRecord> load_plan(std::string_view plan_id) override { return reader_.load_plan(plan_id); }
  Result<ActionRecord> load_action(std::string_view plan_id, int action_id) override {
    return reader_.load_action(plan_id, action_id);
  }
  Result<std::vector<OutputChunk>> load_chunks(std::string_view plan_id, int action_id, std::int64_t after,
                                               std::size_t limit) override {
    return reader_.load_chunks(plan_id, action_id, after, limit);
  }
  Result<std::vector<PlanStatus>> load_statuses(const std::vector<std::string>& ids) override {
    return reader_.load_statuses(ids);
  }
  Result<std::vector<PlanIdentity>> load_identities(const std::vector<std::string>& ids) override {
    return reader_.load_identities(ids);
  }
  Result<std::vector<PlanStatus>> load_sub_plans(std::string_view caller_plan_id) override {
    return reader_.load_sub_plans(caller_plan_id);
  }
  Result<std::vector<PlanRecord>> find_plans(const PlanFilter& filter, const PlanOrder& order) override {
    return reader_.find_plans(filter, order);
  }
  Result<std::vector<ListedPlan>> find_page(const PlanFilter& filter, const PageOrder& order) override {
    return reader_.list_plans(filter, order);
  }
  Result<std::int64_t> count_plans(const PlanFilter& filter) override { return reader_.count_plans(filter); }
  Result<std::int64_t> count_plans(std::optional<PlanState> state) override { return reader_.count_plans(state); }
  Result<std::vector<std::string>> load_unfinished() override { return reader_.load_unfinished(); }
  Result<std::vector<EventRecord>> load_events() override { return reader_.load_events(fence()->world); }
  Result<std::vector<EventRecord>> load_events_of(std::string_view plan_id) override {
    return reader_.load_events_of(plan_id);
  }
  Result<std::vector<OutboxRecord>> load_due_outbox(Time now, std::size_t limit,
                                                    const std::vector<std::int64_t>& under_way) override {
    return fenced([&](const Fence& fence) { return worlds_.load_due_outbox(fence, now, limit, under_way); });
  }
  Result<std::optional<Time>> next_outbox_time() override { return worlds_.next_outbox_time(*fence()); }

  bool is_shared() const override { return true; }
  Status join(const WorldRecord& world, Duration lease) override;
  Status renew() override;
  Status leave() override;
  Result<std::vector<std::string>> declare_dead() override { return worlds_.declare_dead(); }
  Result<std::vector<WorldRecord>> load_worlds() override { return worlds_.load_worlds(); }
  Result<std::vector<std::string>> claim_orphans(std::size_t limit) override;
  Status claim(std::string_view plan_id) override;
  void set_wake(std::function<void()> wake) override { notifier_.set_wake(std::move(wake)); }

  Result<std::vector<DelayedRecord>> load_ready_delayed(Time now, std::size_t limit) override {
    return reader_.load_ready_delayed(now, limit);
  }
  Result<DelayedRecord> load_delayed(std::string_view plan_id) override { return reader_.load_delayed(plan_id); }
  Result<std::string> load_secrets(std::string_view plan_id) override { return reader_.load_secrets(plan_id); }
  Result<std::optional<Time>> next_delayed_time(Time now) override { return reader_.next_delayed_time(now); }
  Result<std::vector<Prerequisite>> load_prerequisites(std::string_view plan_id) override {
    return reader_.load_prerequisites(plan_id);
  }
  Result<std::vector<std::string>> load_dependents(std::string_view plan_id) override {
    return reader_.load_dependents(plan_id);
  }

  Status acquire_lock(const LockRecord& lock) override;
  Result<std::vector<LockRecord>> load_locks() override { return reader_.load_locks(); }
  Result<std::size_t> sweep() override;
  Result<std::size_t> clean(Time before, std::size_t limit, PlanArchive* archive) override;

  const StoreNumbers& numbers() const override { return numbers_; }
  std::size_t waiting_changes() const override { return waiting_changes_.load(); }
  Result<OutputEnd> load_output_end(std::string_view plan_id, int action_id) override {
    return reader_.load_output_end(plan_id, action_id);
  }
  Result<CallbackBacklog> callback_backlog() override { return reader_.callback_backlog(); }

 private:
  using SharedFence = std::shared_ptr<const Fence>;  // of the store and of all that was submitted under it
  struct Submission {
    WriteBatch batch;
    Durability durability;
    Completion completion;
    Status refusal;  // an error: not to be written
    SharedFence fence;
    std::size_t bytes = 0;
  };

  SharedFence fence() const {
    const std::lock_guard lock(mutex_);
    return fence_;
  }
  void set_fence(Fence fence);
  // kClosed unless a world has joined, or the store is stopped.
  Result<SharedFence> require_world() const;
  // Calls it with the fence, and notes when the world turns out to be dead.
  template <class Call>
  auto fenced(Call call) -> decltype(call(std::declval<const Fence&>())) {
    const SharedFence current = fence();
    auto result = call(*current);
    if (!result.ok() && result.error().code() == Code::kClosed) note_death(*current);
    return result;
  }
  void note_death(const Fence& fence);
  Status require_started() const;

  // On the writer thread.
  void run_writer();
  std::vector<Submission> take_group();
  void write_group(std::vector<Submission> group);
  std::vector<Status> outcomes_of(const std::vector<const WriteBatch*>& batches, const Fence& fence, Durability durability);
  bool wait_for_server(Duration pause);

  const StoreOptions options_;
  const ServerUrl url_;
  StoreNumbers numbers_;
  ConnectionPool pool_;
  Reader reader_{pool_};
  Worlds worlds_{pool_};
  GroupWriter writer_;
  Notifier notifier_;
  std::atomic<std::size_t> waiting_changes_{0};

  mutable std::mutex mutex_;
  std::condition_variable work_;  // the writer waits here
  bool is_open_ = false;          // between start() and stop()
  Instant closed_at_{};           // the last stop()
  std::deque<Submission> queue_;
  SharedFence fence_ = std::make_shared<Fence>();
  Duration lease_{};
  std::int64_t dead_epoch_ = 0;   // of the last world that was found dead

  std::mutex lifecycle_;  // start() against stop(); never taken by the writer
  NamedThread thread_;
};

Status PostgresStore::start() {
  const std::lock_guard lifecycle(lifecycle_);
  if (thread_.is_running()) return {};
  {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
  }
  thread_ = NamedThread("store", [this] { run_writer(); });
  return {};
}

void PostgresStore::stop() {
  const std::lock_guard lifecycle(lifecycle_);
  notifier_.stop();
  {
    const std::lock_guard lock(mutex_);
    if (is_open_) closed_at_ = std::chrono::steady_clock::now();
    is_open_ = false;
  }
  work_.notify_all();
  thread_.join();
}

void PostgresStore::submit(WriteBatch batch, Durability durability, Completion completion) {
  Submission submission{std::move(batch), durability, std::move(completion), {}, {}, 0};
  submission.refusal = check(submission.batch);
  submission.bytes = bytes_of(submission.batch);
  {
    const std::lock_guard lock(mutex_);
    if (is_open_) {
      submission.fence = fence_;
      waiting_changes_ += submission.batch.size();
      queue_.push_back(std::move(submission));
      if (queue_.size() == 1) work_.notify_one();
      return;
    }
  }
  if (submission.completion) submission.completion(Error(Code::kClosed, "the store is stopped"));
}

void PostgresStore::run_writer() {
  while (true) {
    std::vector<Submission> group;
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [&] { return !queue_.empty() || !is_open_; });
      if (queue_.empty()) break;
      group = take_group();
    }
    write_group(std::move(group));
  }
  writer_.end();
}

// Submissions of one epoch: what was submitted before the world died must not be written in the name of the next one.
std::vector<PostgresStore::Submission> PostgresStore::take_group() {
  std::size_t changes = 0;
  std::size_t bytes = 0;
  auto end = queue_.begin();
  while (end != queue_.end()) {
    changes += end->batch.size();
    bytes += end->bytes;
    const bool fits = changes <= kGroupChanges && bytes <= kGroupBytes && end->fence == queue_.front().fence;
    if (!fits && end != queue_.begin()) break;
    ++end;
  }
  std::vector<Submission> group(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return group;
}

void PostgresStore::write_group(std::vector<Submission> group) {
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
    const Instant begun = system_clock().instant();
    outcomes = outcomes_of(batches, *group.front().fence, durability);
    note(numbers_, changes, outcomes, system_clock().instant() - begun);
  }
  waiting_changes_ -= changes;
  auto outcome = outcomes.begin();
  for (Submission& submission : group) {
    const bool was_written = submission.refusal.ok() && !submission.batch.empty();
    Status status = was_written ? std::move(*outcome++) : std::move(submission.refusal);
    if (submission.completion) submission.completion(std::move(status));
  }
}

std::vector<Status> PostgresStore::outcomes_of(const std::vector<const WriteBatch*>& batches, const Fence& fence,
                                               Durability durability) {
  bool is_dead = false;
  {
    const std::lock_guard lock(mutex_);
    is_dead = fence.epoch != 0 && fence.epoch == dead_epoch_;
  }
  if (is_dead) return std::vector<Status>(batches.size(), Error(Code::kClosed, "this world was declared dead"));
  const int backend = writer_.backend();
  GroupWriter::Outcome outcome = writer_.write(batches, fence, durability);
  if (outcome.is_world_dead) note_death(fence);
  if (writer_.backend() != backend) notifier_.ignore(writer_.backend());
  return std::move(outcome.of_batches);
}

bool PostgresStore::wait_for_server(Duration pause) {
  std::unique_lock lock(mutex_);
  const Instant until = std::chrono::steady_clock::now() + pause;
  work_.wait_until(lock, until, [&] { return !is_open_; });
  if (is_open_) return true;
  const Instant last = closed_at_ + kStopGrace;
  if (std::chrono::steady_clock::now() >= last) return false;
  // Nobody notifies any more.
  work_.wait_until(lock, std::min(until, last), [] { return false; });
  return true;
}

void PostgresStore::set_fence(Fence fence) {
  notifier_.set_world(fence.world);
  const std::lock_guard lock(mutex_);
  fence_ = std::make_shared<const Fence>(std::move(fence));
}

void PostgresStore::note_death(const Fence& fence) {
  if (fence.epoch == 0) return;
  const std::lock_guard lock(mutex_);
  if (dead_epoch_ == fence.epoch) return;
  dead_epoch_ = fence.epoch;
  log::warn({}, "world {} was declared dead by another one: it writes nothing any more", fence.world);
}

Status PostgresStore::require_started() const {
  const std::lock_guard lock(mutex_);
  if (!is_open_) return Error(Code::kClosed, "the store is stopped");
  return {};
}

Result<PostgresStore::SharedFence> PostgresStore::require_world() const {
  if (Status started = require_started(); !started.ok()) return started.error();
  SharedFence current = fence();
  if (current->epoch == 0) return Error(Code::kClosed, "no world has joined");
  return current;
}

Status PostgresStore::join(const WorldRecord& world, Duration lease) {
  if (Status checked = check(world); !checked.ok()) return checked;
  if (Status started = require_started(); !started.ok()) return started;
  if (fence()->epoch != 0) {
    if (Status left = leave(); !left.ok()) return left;
  }
  const Result<std::int64_t> epoch = worlds_.join(world, lease);
  if (!epoch.ok()) return epoch.error();
  {
    const std::lock_guard lock(mutex_);
    lease_ = lease;
  }
  set_fence({world.id, *epoch});
  const std::lock_guard lifecycle(lifecycle_);
  if (thread_.is_running()) notifier_.start();
  return {};
}

Status PostgresStore::renew() {
  const Result<SharedFence> current = require_world();
  if (!current.ok()) return current.error();
  Duration lease{};
  {
    const std::lock_guard lock(mutex_);
    if (dead_epoch_ == (*current)->epoch) return Error(Code::kClosed, "this world was declared dead");
    lease = lease_;
  }
  return fenced([&](const Fence& fence) { return worlds_.renew(fence, lease); });
}

Status PostgresStore::leave() {
  const SharedFence current = fence();
  if (current->epoch == 0) return {};
  if (Status started = require_started(); !started.ok()) return started;
  // What was submitted until now is still written in the name of the world.
  const auto drained = std::make_shared<std::promise<void>>();
  std::future<void> done = drained->get_future();
  submit(WriteBatch(), Durability::kFull, [drained](const Status&) { drained->set_value(); });
  if (done.wait_for(kDrainTime) != std::future_status::ready) {
    return Error(Code::kUnavailable, "the database cannot be written");
  }
  if (Status left = worlds_.leave(*current); !left.ok()) return left;
  set_fence({});
  return {};
}

Result<std::vector<std::string>> PostgresStore::claim_orphans(std::size_t limit) {
  if (const auto current = require_world(); !current.ok()) return current.error();
  return fenced([&](const Fence& fence) { return worlds_.claim_orphans(fence, limit); });
}

Status PostgresStore::claim(std::string_view plan_id) {
  if (const auto current = require_world(); !current.ok()) return current.error();
  return fenced([&](const Fence& fence) { return worlds_.claim(fence, plan_id); });
}

Status PostgresStore::acquire_lock(const LockRecord& lock) {
  if (Status checked = check(lock); !checked.ok()) return checked;
  if (Status started = require_started(); !started.ok()) return started;
  return fenced([&](const Fence& fence) { return worlds_.acquire_lock(fence, lock); });
}

Result<std::size_t> PostgresStore::sweep() {
  if (Status started = require_started(); !started.ok()) return started.error();
  return fenced([&](const Fence& fence) { return worlds_.sweep(fence); });
}

Result<std::size_t> PostgresStore::clean(Time before, std::size_t limit, PlanArchive* archive) {
  std::size_t removed = 0;
  while (true) {
    if (Status started = require_started(); !started.ok()) return started.error();
    const std::size_t slice = std::min(archive == nullptr ? kCleanSlice : kCopySlice, limit - removed);
    if (slice == 0) return removed;
    const auto done = fenced([&](const Fence& fence) {
      return archive == nullptr ? worlds_.clean(fence, before, slice) : worlds_.clean(fence, before, slice, *archive);
    });
    if (!done.ok()) return done.error();
    removed += *done;
    if (*done < slice) return removed;
  }
}

}  // namespace

Result<std::unique_ptr<Store>> open_postgres_store(const StoreOptions& options) {
  Result<ServerUrl> url = ServerUrl::parse(options.database);
  if (!url.ok()) return url.error();
  const std::string setup = "SELECT set_config('lock_timeout', '0', false), set_config('client_min_messages', 'warning', false)";
  Result<Connection> connection = Connection::open(*url, setup, std::chrono::steady_clock::now() + kOpenTime);
  if (!connection.ok()) return connection.error().in("PostgreSQL");
  if (Status upgraded = upgrade_schema(*connection); !upgraded.ok()) return upgraded.error().in("PostgreSQL");
  return std::unique_ptr<Store>(std::make_unique<PostgresStore>(options, std::move(*url)));
}

}  // namespace dynflow::persistence
