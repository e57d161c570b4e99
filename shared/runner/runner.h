// A runner does the work outside: an ssh session, a child process, a job that a host pulls.
//
// Threads: a runner lives on the dispatcher's loop thread: it is made, called and destroyed there, and none of its methods
// may block. Its publisher is used on that thread only.
//
// Source: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/runner/base.rb.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "shared/base/clock.h"
#include "shared/json/json_fwd.h"
#include "shared/net/event_loop.h"

namespace dynflow::runner {

// An exit code, or EXCEPTION for everything that went wrong before there was one.
class ExitStatus {
 public:
  static ExitStatus code(int value) { return ExitStatus(value); }
  // Killed by signal N: 128 + N.
  static ExitStatus signalled(int signal) { return ExitStatus(128 + signal); }
  static ExitStatus exception() { return ExitStatus(std::nullopt); }
  bool is_exception() const { return !code_.has_value(); }
  bool is_success() const { return code_ == 0; }
  // The number, or the string "EXCEPTION".
  Json to_json() const;

 private:
  explicit ExitStatus(std::optional<int> value) : code_(value) {}
  std::optional<int> code_;
};

// Where a runner's output and end go.
class Publisher {
 public:
  virtual ~Publisher() = default;
  // Any bytes: invalid UTF-8 and NUL are replaced, characters split between calls are put together again (per type). Empty text
  // is ignored. `output_type` is "stdout", "stderr" or "debug".
  virtual void publish(std::string_view output_type, std::string_view bytes) = 0;
  // The end, once; later calls of either method are ignored. The runner is destroyed soon after, not within the call.
  virtual void finish(ExitStatus status) = 0;
  // For log records about this runner.
  virtual const std::string& task_id() const = 0;
};

class Runner {
 public:
  virtual ~Runner() = default;
  // Begins. Failures are published and finished with ExitStatus::exception().
  virtual void start() = 0;
  // The user cancelled, or the time is over: end the work, publish, finish. May be called again while the first call is still
  // being carried out, and before start() has reached the other side.
  virtual void kill() = 0;
  // The execution timeout has passed. Default: says so as upstream does, then kill().
  virtual void timeout();
  // Data that arrived through the update or done route, or a message of the runner's own. Default: ignored.
  virtual void external_event(const Json& data);
  // Somebody looks at the status document: publish what is there. Default: nothing, output is pushed anyway.
  virtual void refresh();
  // True: the store is behind; read no more of what the other side writes, so that it has to wait, until told otherwise. What comes
  // nevertheless is published as ever. Default: nothing.
  virtual void hold_output(bool is_held);

 protected:
  explicit Runner(Publisher& publisher) : publisher_(publisher) {}
  Publisher& publisher() { return publisher_; }

 private:
  Publisher& publisher_;  // outlives the runner
};

// Everything a runner is made from. `make` runs on the loop thread when its turn has come.
struct RunnerRequest {
  std::string plan_id;
  int step_id = 0;
  int action_id = 0;
  std::string runner_id;
  std::string group;    // jobs of one group share a fair turn: the batch they were launched with
  std::string request_id;
  std::optional<Duration> timeout;  // from the start of the runner
  std::function<std::unique_ptr<Runner>(Publisher&, net::EventLoop&)> make;
};

}  // namespace dynflow::runner
