// Removes plans that ended long ago, now and then.
//
// Threads: start and stop from the owner's thread; one thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include "shared/base/clock.h"
#include "shared/base/thread.h"
#include "shared/persistence/plan_archive.h"
#include "shared/persistence/store.h"

namespace dynflow::core {

class Cleaner {
 public:
  // Plans that ended more than `age` ago go; into `backup_folder` first, unless that is empty. While they cannot be kept they stay.
  Cleaner(persistence::Store& store, std::chrono::seconds age, const std::string& backup_folder = {},
          const Clock& clock = system_clock());
  ~Cleaner() { stop(); }

  // Both harmless twice.
  void start();
  void stop();

  // One round. Stops early when stop() was called.
  void clean();

 private:
  void work();
  bool is_stopping();

  persistence::Store& store_;
  const std::chrono::seconds age_;
  const Clock& clock_;
  std::optional<persistence::PlanArchive> archive_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stopping_ = false;
  NamedThread thread_;
};

}  // namespace dynflow::core
