#include "migration/state/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>

namespace dynflow::migration {

using persistence::Store;
using persistence::WriteBatch;

namespace {

constexpr std::size_t kAtOnce = 200;  // plans that wait for their commit together

bool concerns_one_plan(const Error& error) {
  return error.code() == Code::kCorrupt || error.code() == Code::kUnprocessable || error.code() == Code::kNotFound;
}

// What a plan waits for comes before it; of a circle no order is right, and the order of storing stays.
class Sorter {
 public:
  Sorter(const std::vector<std::string>& ids, const std::map<std::string, std::vector<std::string>>& blocked_by)
      : known_(ids.begin(), ids.end()), blocked_by_(blocked_by) {
    for (const std::string& id : ids) add(id);
  }
  std::vector<std::string> take() && { return std::move(sorted_); }

 private:
  void add(const std::string& first) {
    std::vector<std::pair<std::string, bool>> todo = {{first, false}};
    while (!todo.empty()) {
      const auto [id, is_ready] = todo.back();
      todo.pop_back();
      if (is_ready) {
        sorted_.push_back(id);
        continue;
      }
      if (!known_.contains(id) || !seen_.insert(id).second) continue;
      todo.emplace_back(id, true);
      if (const auto found = blocked_by_.find(id); found != blocked_by_.end()) {
        for (const std::string& other : found->second) todo.emplace_back(other, false);
      }
    }
  }

  std::set<std::string> known_;
  const std::map<std::string, std::vector<std::string>>& blocked_by_;
  std::set<std::string> seen_;
  std::vector<std::string> sorted_;
};

WriteBatch batch_of(StoredPlan stored) {
  WriteBatch batch;
  const std::string id = stored.plan.id;
  batch.add(WriteBatch::InsertPlan{std::move(stored.plan)});
  for (auto& [action, chunks] : stored.chunks) batch.add(WriteBatch::AppendChunks{id, action, std::move(chunks)});
  for (auto& event : stored.events) batch.add(WriteBatch::PutEvent{std::move(event)});
  for (auto& entry : stored.callbacks) batch.add(WriteBatch::PutOutbox{std::move(entry)});
  if (stored.delayed) batch.add(WriteBatch::PutDelayed{std::move(*stored.delayed)});
  return batch;
}

// Counts commits that are under way.
class Commits {
 public:
  void submit(Store& store, WriteBatch batch) {
    {
      const std::lock_guard lock(mutex_);
      ++waiting_;
    }
    store.submit(std::move(batch), persistence::Durability::kFull, [this](Status status) {
      const std::lock_guard lock(mutex_);
      --waiting_;
      if (!status.ok() && !error_) error_ = status.error();
      changed_.notify_all();
    });
  }
  Status wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ == 0; });
    return error_ ? Status(*error_) : Status();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t waiting_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<Survey> survey(PlanSource& source, bool only_running, const TransferProgress& progress) {
  auto plans = source.list();
  if (!plans) return plans.error();
  Survey result;
  result.plans = std::move(*plans);
  std::map<std::string, std::vector<std::string>> blocked_by;
  std::size_t done = 0;
  for (const PlanSummary& plan : result.plans) {
    if (Status going = progress(++done, result.plans.size(), "plans looked at"); !going.ok()) return going.error();
    if (only_running && plan.state == "stopped") {
      ++result.finished_left_out;
      continue;
    }
    const auto stored = source.load(plan.id);
    if (!stored) {
      if (!concerns_one_plan(stored.error())) return stored.error();
      result.refused.push_back({plan.id, plan.state, stored.error().message()});
      continue;
    }
    result.with_secrets += stored->had_secrets ? 1 : 0;
    result.callbacks += stored->callbacks.size();
    if (stored->delayed) blocked_by[plan.id] = stored->delayed->blocked_by;
    result.movable.push_back(plan.id);
  }
  result.movable = Sorter(result.movable, blocked_by).take();
  return result;
}

Result<Transferred> transfer(PlanSource& source, const Survey& survey, Store& target, const TransferProgress& progress) {
  Transferred result;
  const std::size_t total = survey.movable.size();
  for (std::size_t first = 0; first < total; first += kAtOnce) {
    const std::size_t last = std::min(total, first + kAtOnce);
    const std::vector<std::string> ids(survey.movable.begin() + static_cast<std::ptrdiff_t>(first),
                                       survey.movable.begin() + static_cast<std::ptrdiff_t>(last));
    const auto known = target.load_statuses(ids);
    if (!known) return known.error();
    std::set<std::string> there;
    for (const persistence::PlanStatus& status : *known) there.insert(status.id);
    Commits commits;
    Status failed;
    for (const std::string& id : ids) {
      if (there.contains(id)) continue;
      auto stored = source.load(id);
      if (!stored) {
        failed = stored.error();
        break;
      }
      // What it waited for and is no more has ended, as the Ruby schema says with ON DELETE CASCADE.
      if (stored->delayed) {
        std::erase_if(stored->delayed->blocked_by, [&](const std::string& other) {
          return std::find(survey.movable.begin(), survey.movable.end(), other) == survey.movable.end();
        });
      }
      commits.submit(target, batch_of(std::move(*stored)));
    }
    const Status written = commits.wait();
    if (!failed.ok()) return failed.error();
    if (!written.ok()) return written.error();
    result.moved += ids.size() - there.size();
    result.already_there += there.size();
    if (Status going = progress(last, total, "plans written"); !going.ok()) return going.error();
  }
  return result;
}

}  // namespace dynflow::migration
