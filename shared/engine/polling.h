// Actions that start something outside and ask after it until it is done.
//
// In the output: "task" is what invoke_external_task() and poll_external_task() returned last, "poll_attempts" is {"total", "failed"}: all
// polls, and the failed ones in a row.
//
// Run again without an event (after a failure, a resume or a restart) the action asks after the task that it has; when that fails for good, it
// starts another.
//
// Threads: an action; see action.h. A poll runs on the plan's strand: it must be quick.
//
// Source: Dynflow 2.0.0, lib/dynflow/action/{polling,timeouts,cancellable}.rb. Other than there, a process_timeout() that does not throw leaves
// the action polling.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "shared/engine/action_class.h"
#include "shared/engine/timeouts.h"

namespace dynflow::engine {

class Polling : public Action {
 public:
  void run(Running& running, const Event* event) override;

 protected:
  // Starts the work; what it returns tells it apart at polls, and becomes output["task"]. Throws when it cannot be started.
  virtual Json invoke_external_task(Running& running) = 0;
  // The new output["task"]. A throw is a failed poll.
  virtual Json poll_external_task(Running& running) = 0;
  // Whether output["task"] is done.
  virtual bool is_done(Running& running) = 0;
  virtual void on_finish(Running& running);

  // Event kTimeout (timeouts.h). Default: throws "Timeout exceeded."; when it does not throw, polling goes on.
  virtual void process_timeout(Running& running);
  // Events kCancel and kAbort. Default: throws "NotImplementedError". When it does not throw, polling goes on until is_done().
  virtual void cancel(Running& running, bool force);

  // Gaps between polls: each one is used poll_attempts_per_interval() times, the last one from then on.
  virtual std::vector<Duration> poll_intervals() const;
  virtual int poll_attempts_per_interval() const { return 5; }
  // So many failures in a row fail the action.
  virtual int poll_max_retries() const { return 3; }

 private:
  void invoke(Running& running);
  void poll(Running& running);
};

// The class of such an action with all that it needs.
ActionClass polling_class(std::string name, std::function<std::unique_ptr<Action>()> make);

}  // namespace dynflow::engine
