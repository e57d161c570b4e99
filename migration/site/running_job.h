// The jobs of a running proxy, as people know them.
//
// Threads: a pure function of a document.
#pragma once

#include <string>
#include <vector>

#include "migration/site/running_proxy.h"
#include "shared/base/clock.h"

namespace dynflow::migration {

struct RunningJob {
  std::string id;
  std::string operation;     // "ssh", else the action's class
  std::string foreman_task;  // empty: it reports to nobody
  std::string age;           // "3 min", "2 h"; empty: it has not begun
};

// "8a3c... (ssh, 3 min, Foreman task 5f...)".
std::string to_text(const RunningJob& job);

// Of a status document of a task.
RunningJob job_of(const std::string& id, const Json& document, Time now);

// The first of these tasks, asked one by one; those that cannot be asked have only their id.
std::vector<RunningJob> describe_jobs(RunningProxy& proxy, const std::vector<std::string>& ids, std::size_t limit);

}  // namespace dynflow::migration
