#include "shared/engine/polling.h"

#include <algorithm>
#include <utility>

#include "shared/json/json.h"
#include "shared/log/log.h"

namespace dynflow::engine {

namespace {

constexpr const char* kTask = "task";
constexpr const char* kAttempts = "poll_attempts";

std::int64_t attempts(const Json& output, const char* name) {
  const Json* all = json::find(output, kAttempts);
  return all == nullptr ? 0 : json::get_int(*all, name, 0);
}

}  // namespace

void Polling::run(Running& running, const Event* event) {
  Json& output = running.output();
  if (!output.contains(kAttempts)) output[kAttempts] = Json{{"total", 0}, {"failed", 0}};
  if (event == nullptr) {
    const Json* task = json::find(output, kTask);
    if (task == nullptr || task->is_null()) {
      invoke(running);
    } else {
      try {
        poll(running);
      } catch (const std::exception& e) {
        log::info({.request_id = running.request_id(), .task_id = running.plan_id()}, "the external task is started again: {}", e.what());
        invoke(running);
      }
    }
  } else if (event->name == kPoll) {
    // A timer that another poll overtook: the later one has a timer too.
    if (!event->data.is_null() && event->data != Json(attempts(output, "total"))) return static_cast<void>(running.suspend());
    poll(running);
  } else if (event->name == kTimeout) {
    process_timeout(running);
  } else if (event->name == kCancel || event->name == kAbort) {
    cancel(running, event->name == kAbort);
  } else if (event->name == kSkipEvent) {
    return;
  } else {
    throw ActionError("RuntimeError", "unrecognized event " + event->name);
  }
  if (is_done(running)) return on_finish(running);

  const std::vector<Duration> intervals = poll_intervals();
  const std::int64_t total = attempts(output, "total");
  const auto level = static_cast<std::size_t>(total / std::max(1, poll_attempts_per_interval()));
  const Duration gap = intervals.empty() ? std::chrono::seconds(1) : intervals[std::min(level, intervals.size() - 1)];
  running.plan_event({std::string(kPoll), Json(total)}, gap);
  running.suspend();
}

void Polling::invoke(Running& running) {
  running.output()[kAttempts]["failed"] = 0;
  running.output()[kTask] = invoke_external_task(running);
}

void Polling::poll(Running& running) {
  Json& counts = running.output()[kAttempts];
  counts["total"] = attempts(running.output(), "total") + 1;
  try {
    running.output()[kTask] = poll_external_task(running);
    counts["failed"] = 0;
  } catch (const std::exception& e) {
    const std::int64_t failed = attempts(running.output(), "failed") + 1;
    counts["failed"] = failed;
    if (failed >= poll_max_retries()) throw;
    log::warn({.request_id = running.request_id(), .task_id = running.plan_id()}, "polling failed, attempt no. {}: {}", failed, e.what());
  }
}

void Polling::on_finish(Running&) {}

void Polling::process_timeout(Running&) { throw ActionError("RuntimeError", "Timeout exceeded."); }

void Polling::cancel(Running&, bool) { throw ActionError("NotImplementedError", "the action cannot be cancelled"); }

std::vector<Duration> Polling::poll_intervals() const {
  using std::chrono::milliseconds;
  return {milliseconds(500), milliseconds(1000), milliseconds(2000), milliseconds(4000), milliseconds(8000), milliseconds(16000)};
}

ActionClass polling_class(std::string name, std::function<std::unique_ptr<Action>()> make) {
  ActionClass made;
  made.name = std::move(name);
  made.has_run = true;
  made.takes_events = true;
  made.is_cancellable = true;
  made.make = std::move(make);
  return made;
}

}  // namespace dynflow::engine
