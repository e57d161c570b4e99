#include "shared/persistence/postgres/group_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "shared/log/log.h"
#include "shared/persistence/postgres/script.h"

namespace dynflow::persistence::postgres {
namespace {

constexpr std::chrono::seconds kConnectTime{10};
// Attaching waits for the end of what the last connection has left behind.
constexpr std::chrono::seconds kAttachTime{60};
constexpr std::chrono::milliseconds kFirstPause{50};
constexpr std::chrono::seconds kLongestPause{5};
// A deadlock or a conflict with another world's transaction passes.
constexpr int kMostRepeats = 10;
// After so many failures in a row the disk is taken for full, and the rest of the group is not tried.
constexpr int kHopelessAfter = 3;

// Plans are made once, for any number of rows and whatever the tables held at the time: with indexes and nothing else. A transaction
// whose client has gone away must not hold its locks for long.
const std::string kSetup =
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),"
    " set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false),"
    " set_config('jit', 'off', false), set_config('statement_timeout', '55s', false),"
    " set_config('idle_in_transaction_session_timeout', '10s', false), set_config('synchronous_commit', 'on', false)";

// A slot for the counts of plans that no other writer of this schema has.
constexpr Statement kTakeSlotSql{
    "SELECT set_config('dynflow.slot', n::text, false) FROM generate_series(0, 9999) AS n"
    " WHERE pg_try_advisory_lock(hashtext('dynflow counts ' || current_schema()), n) LIMIT 1"};
constexpr Statement kEndOldBackendSql{
    "SELECT pg_terminate_backend(a.pid) FROM writers w JOIN pg_stat_activity a ON a.pid = w.backend"
    " AND a.backend_start = w.backend_started WHERE w.id = $1 AND a.pid <> pg_backend_pid()"};
// Waits for the transaction of the last connection; from now on it cannot begin another.
constexpr Statement kAttachSql{
    "INSERT INTO writers AS w SELECT $1::bigint, $2::bigint, 0, a.pid, a.backend_start, now() FROM pg_stat_activity a"
    " WHERE a.pid = pg_backend_pid() ON CONFLICT (id) DO UPDATE SET session = excluded.session, backend = excluded.backend,"
    " backend_started = excluded.backend_started, used_at = now() RETURNING w.last_group"};
constexpr Statement kDetachSql{"DELETE FROM writers WHERE id = $1 AND session = $2"};
constexpr Statement kBeginGroupSql{"SELECT begin_group($1, $2, $3, $4, $5)"};
constexpr Statement kMissingSql{
    "SELECT d FROM unnest($1::text[]) AS d WHERE NOT EXISTS (SELECT 1 FROM plans WHERE id = d) LIMIT 1"};
constexpr Statement kOwnerSql{"SELECT owner, may_write($2, owner) FROM plans WHERE id = $1"};

std::int64_t random_id() {
  std::random_device device;
  return static_cast<std::int64_t>((static_cast<std::uint64_t>(device()) << 31 ^ device()) & 0x7fff'ffff'ffff'ffffU);
}

// Faults of the database, not of a batch.
bool is_fault(const Error& error) { return error.code() == Code::kUnavailable || error.code() == Code::kCorrupt; }

bool may_be_repeated(const std::string& sqlstate) { return sqlstate.starts_with("40") || sqlstate == "55P03"; }

struct Named {
  std::string plan;
  std::string part;  // "step 3"
};

// The plan that a change must find, and its part.
Named named_by(const WriteBatch::Change& change) {
  if (const auto* one = std::get_if<WriteBatch::UpdatePlan>(&change)) return {one->plan_id, ""};
  if (const auto* one = std::get_if<WriteBatch::ReplacePlan>(&change)) return {one->plan.id, ""};
  if (const auto* one = std::get_if<WriteBatch::UpdateStep>(&change)) {
    return {one->plan_id, fmt::format("step {}", one->step.id)};
  }
  if (const auto* one = std::get_if<WriteBatch::UpdateAction>(&change)) {
    return {one->plan_id, fmt::format("action {}", one->action_id)};
  }
  if (const auto* one = std::get_if<WriteBatch::AppendChunks>(&change)) return {one->plan_id, ""};
  if (const auto* one = std::get_if<WriteBatch::DropChunks>(&change)) return {one->plan_id, ""};
  if (const auto* one = std::get_if<WriteBatch::PutDelayed>(&change)) return {one->delayed.plan_id, ""};
  if (const auto* one = std::get_if<WriteBatch::PutSecrets>(&change)) return {one->plan_id, ""};
  return {};
}

}  // namespace

GroupWriter::GroupWriter(const ServerUrl& url, Pause pause) : url_(url), pause_(std::move(pause)), id_(random_id()) {}

Status GroupWriter::try_to_connect() {
  connection_.reset();
  backend_ = 0;
  Result<Connection> made = Connection::open(url_, kSetup, std::chrono::steady_clock::now() + kConnectTime);
  if (!made.ok()) return made.error();
  connection_.emplace(std::move(*made));
  const std::int64_t session = random_id();
  connection_->queue(kTakeSlotSql);
  if (is_known_) connection_->queue(kEndOldBackendSql, id_);
  if (const auto done = run(); !done.ok()) return done.error();
  connection_->queue(kAttachSql, id_, session);
  const auto attached = connection_->run(std::chrono::steady_clock::now() + kAttachTime);
  if (!attached.ok()) return attached.error();
  last_group_ = attached->front().integer(0, 0);
  session_ = session;
  is_known_ = true;
  backend_ = connection_->backend();
  return {};
}

bool GroupWriter::connect() {
  // The next group must not wait for the same again.
  if (has_given_up_ && !pause_(Duration::zero())) return false;
  has_given_up_ = false;
  Duration pause = kFirstPause;
  for (int failures = 0; !connection_ || connection_->is_lost(); ++failures) {
    const Status connected = try_to_connect();
    if (connected.ok()) {
      if (failures > 0) log::info({}, "the database can be written again");
      return true;
    }
    connection_.reset();
    if (failures % 20 == 0) log::warn({}, "the database cannot be written, and is tried again: {}", connected.error().message());
    if (!pause_(pause)) {
      has_given_up_ = true;
      return false;
    }
    pause = std::min<Duration>(pause * 2, kLongestPause);
  }
  return true;
}

void GroupWriter::end() {
  if (connection_ && !connection_->is_lost()) {
    connection_->queue(kDetachSql, id_, session_);
    // What stays is a row that sweep() removes one day.
    static_cast<void>(connection_->run(std::chrono::steady_clock::now() + std::chrono::seconds(2)));
  }
  connection_.reset();
  is_known_ = false;
  backend_ = 0;
}

void GroupWriter::begin(const Fence& fence, Durability durability) {
  connection_->queue_text("BEGIN");
  if (durability == Durability::kRelaxed) connection_->queue_text("SET LOCAL synchronous_commit = off");
  connection_->queue(kBeginGroupSql, id_, session_, group_, fence.world, fence.epoch);
}

Status GroupWriter::commit_together(const Batches& batches, const Fence& fence, Durability durability) {
  Script script(fence.world);
  for (const WriteBatch* batch : batches) script.add(*batch);
  begin(fence, durability);
  script.send(*connection_);
  connection_->queue_text("COMMIT");
  const auto done = run();
  if (done.ok()) return {};
  if (!connection_->is_lost()) {
    const Failure failure = connection_->failure();
    connection_->queue_text("ROLLBACK");
    if (const auto undone = run(); !undone.ok() && connection_->is_lost()) return undone.error();
    last_failure_ = failure;
  }
  return done.error();
}

GroupWriter::Outcome GroupWriter::write(const Batches& batches, const Fence& fence, Durability durability) {
  bool is_apart = false;
  int repeats = 0;
  std::optional<Outcomes> in_doubt;  // of the group whose commit was not answered
  ++group_;
  while (true) {
    if (!connect()) {
      const char* text = in_doubt ? "the database cannot be reached, and has not said whether this was written"
                                  : "the database cannot be reached";
      return {Outcomes(batches.size(), Error(Code::kUnavailable, text))};
    }
    if (in_doubt && last_group_ == group_) return {std::move(*in_doubt)};
    in_doubt.reset();
    Result<Outcomes> outcomes = Outcomes();
    if (is_apart) {
      outcomes = commit_apart(batches, fence, durability);
      in_doubt = std::exchange(apart_, std::nullopt);
    } else {
      Status together = commit_together(batches, fence, durability);
      outcomes = together.ok() ? Result<Outcomes>(Outcomes(batches.size())) : Result<Outcomes>(together.error());
      in_doubt.emplace(batches.size());
    }
    if (outcomes.ok()) return {std::move(*outcomes)};
    if (connection_->is_lost()) continue;
    in_doubt.reset();
    const Error& error = outcomes.error();
    if (error.code() == Code::kClosed) return {Outcomes(batches.size(), error), true};
    if (last_failure_.sqlstate == "DF003" || (may_be_repeated(last_failure_.sqlstate) && ++repeats <= kMostRepeats)) {
      if (last_failure_.sqlstate == "DF003") connection_.reset();
      continue;
    }
    if (is_apart) return {Outcomes(batches.size(), error)};
    is_apart = true;
  }
}

Result<GroupWriter::Outcomes> GroupWriter::commit_apart(const Batches& batches, const Fence& fence, Durability durability) {
  Outcomes outcomes;
  begin(fence, durability);
  Result<std::vector<Rows>> done = run();
  int failures = 0;
  for (auto batch = batches.begin(); done.ok() && batch != batches.end(); ++batch) {
    if (failures >= kHopelessAfter) {
      outcomes.push_back(outcomes.back());
      continue;
    }
    Result<Status> applied = apply_alone(**batch, fence);
    if (!applied.ok()) {
      done = applied.error();
      break;
    }
    failures = !applied->ok() && is_fault(applied->error()) ? failures + 1 : 0;
    outcomes.push_back(std::move(*applied));
  }
  if (done.ok()) {
    connection_->queue_text("COMMIT");
    done = run();
    if (connection_->is_lost()) apart_ = outcomes;
  }
  if (done.ok()) return outcomes;
  if (!connection_->is_lost()) {
    if (!connection_->failure().sqlstate.empty()) last_failure_ = connection_->failure();
    connection_->queue_text("ROLLBACK");
    if (const auto undone = run(); !undone.ok() && connection_->is_lost()) return undone.error();
  }
  return done.error();
}

Result<Status> GroupWriter::apply_alone(const WriteBatch& batch, const Fence& fence) {
  connection_->queue_text("SAVEPOINT batch");
  std::vector<std::size_t> last_statements;  // of each change
  for (const WriteBatch::Change& change : batch.changes()) {
    Script script(fence.world);
    script.add(change);
    script.send(*connection_);
    last_statements.push_back(connection_->queued());
  }
  connection_->queue_text("RELEASE batch");
  const auto done = run();
  if (done.ok()) return Status();
  if (connection_->is_lost()) return done.error();
  const Failure failure = connection_->failure();
  connection_->queue_text("ROLLBACK TO batch");
  connection_->queue_text("RELEASE batch");
  if (const auto undone = run(); !undone.ok()) return undone.error();
  if (may_be_repeated(failure.sqlstate)) {
    // A deadlock has ended another's waiting at the cost of this: the whole group is tried again.
    last_failure_ = failure;
    return done.error();
  }
  const auto guilty = std::upper_bound(last_statements.begin(), last_statements.end(), failure.statement);
  if (guilty == last_statements.end()) return Status(done.error());
  const auto& change = batch.changes()[static_cast<std::size_t>(guilty - last_statements.begin())];
  const Error explained = explain(change, done.error(), failure.constraint, fence);
  if (connection_->is_lost()) return explained;
  return Status(explained);
}

Error GroupWriter::explain(const WriteBatch::Change& change, const Error& error, const std::string& constraint,
                           const Fence& fence) {
  if (const auto* one = std::get_if<WriteBatch::InsertPlan>(&change); one != nullptr && constraint == "plans_id") {
    return Error(Code::kConflict, fmt::format("plan {} is already stored", one->plan.id));
  }
  if (error.code() != Code::kNotFound) return error;
  const Named named = named_by(change);
  connection_->queue(kOwnerSql, named.plan, fence.world);
  const auto rows = run();
  if (!rows.ok()) return rows.error();
  if (rows->front().count() == 0) return Error(Code::kNotFound, fmt::format("plan {} is not stored", named.plan));
  if (!rows->front().boolean(0, 1)) {
    return Error(Code::kClosed, fmt::format("plan {} belongs to world {}", named.plan, rows->front().text(0, 0)));
  }
  if (const auto* one = std::get_if<WriteBatch::PutDelayed>(&change)) {
    Column prerequisites('t');
    for (const std::string& id : one->delayed.blocked_by) prerequisites.add(id);
    connection_->queue(kMissingSql, prerequisites);
    const auto missing = run();
    if (!missing.ok()) return missing.error();
    const bool is_known = missing->front().count() > 0;
    return Error(Code::kNotFound, fmt::format("plan {} is not stored", is_known ? missing->front().text(0, 0) : ""));
  }
  return Error(Code::kNotFound, fmt::format("plan {} has no {}", named.plan, named.part));
}

}  // namespace dynflow::persistence::postgres
