// Runs jobs on an event loop and keeps what they publish.
//
// Threads: the test's thread is the loop's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/executors/remote_execution/script_runner.h"
#include "shared/json/json.h"
#include "shared/net/event_loop.h"
#include "shared/runner/runner.h"

namespace dynflow::remote_execution_test {

struct Outcome {
  std::string out;    // chunks of type stdout, put together
  std::string debug;  // the same for debug
  int chunks = 0;
  int finishes = 0;
  Json status;        // the exit status as Foreman gets it
};

// A job while it runs.
struct Running {
  runner::Runner& runner;
  net::EventLoop& loop;
  const Outcome& outcome;
};
// Called whenever something was published.
using Watcher = std::function<void(Running&)>;

// All at once on one loop, until all are finished. Fails the test after `limit`. `after_start` is called right behind start().
std::vector<Outcome> run_jobs(std::vector<remote_execution::ScriptJob> jobs, const Watcher& watcher = {},
                              std::chrono::seconds limit = std::chrono::seconds(100),
                              const std::function<void(runner::Runner&, std::size_t index)>& after_start = {});
Outcome run_job(remote_execution::ScriptJob job, const Watcher& watcher = {});

}  // namespace dynflow::remote_execution_test
