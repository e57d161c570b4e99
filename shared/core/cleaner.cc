#include "shared/core/cleaner.h"

#include <algorithm>

#include "shared/base/urgency.h"
#include "shared/log/log.h"

namespace dynflow::core {
namespace {

constexpr std::size_t kAtOnce = 500;  // one statement, and other writes wait for it
constexpr std::chrono::seconds kLongestPause{60};

}  // namespace

Cleaner::Cleaner(persistence::Store& store, std::chrono::seconds age, const std::string& backup_folder, const Clock& clock)
    : store_(store), age_(age), clock_(clock) {
  if (!backup_folder.empty()) archive_.emplace(backup_folder, clock);
}

void Cleaner::start() {
  if (thread_.is_running()) return;
  is_stopping_ = false;
  thread_ = NamedThread("cleaner", [this] {
    give_way();
    work();
  });
}

void Cleaner::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool Cleaner::is_stopping() {
  const std::lock_guard lock(mutex_);
  return is_stopping_;
}

void Cleaner::work() {
  // Upstream looks once in `age`, so that a plan lives up to twice as long.
  const auto pause = std::clamp(age_, std::chrono::seconds(1), kLongestPause);
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, pause, [this] { return is_stopping_; })) {
    lock.unlock();
    clean();
    lock.lock();
  }
}

void Cleaner::clean() {
  const Time before = clock_.now() - age_;
  std::size_t total = 0;
  while (!is_stopping()) {
    const auto removed = store_.clean(before, kAtOnce, archive_ ? &*archive_ : nullptr);
    if (!removed) {
      log::warn({}, "old tasks cannot be removed, there will be another try: {}", removed.error().message());
      break;
    }
    total += *removed;
    if (*removed < kAtOnce) break;
  }
  if (total > 0) log::debug({}, "{} old tasks removed{}", total, archive_ ? ", and kept in " + archive_->folder() : "");
}

}  // namespace dynflow::core
