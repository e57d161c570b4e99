// From the input of a RunScript action to a job for the runner.
//
// Threads: pure functions.
//
// Source: the input keys of spec/runners 1.2, theforeman/smart_proxy_remote_execution_ssh v1.0.1, script_runner.rb:110-175.
#pragma once

#include <optional>
#include <string>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/executors/remote_execution/script_runner.h"
#include "shared/json/json_fwd.h"
#include "shared/settings/remote_execution_ssh.h"

namespace dynflow::remote_execution {

struct JobInput {
  ScriptJob job;
  std::optional<Duration> timeout;  // execution_timeout_interval
};

// What is wrong with an input, with the class name that users of the Ruby proxy see.
struct InputError {
  std::string exception_class;
  std::string message;
};

class JobInputResult {
 public:
  JobInputResult(JobInput input) : input_(std::move(input)) {}  // NOLINT: implicit on purpose
  JobInputResult(InputError error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose
  bool ok() const { return input_.has_value(); }
  JobInput& value() { return *input_; }
  const InputError& error() const { return error_; }

 private:
  std::optional<JobInput> input_;
  InputError error_;
};

// `secrets` is the object that came with the launch, or null; `id` names the directory on the host.
JobInputResult read_job_input(const Json& input, const Json& secrets, const settings::RemoteExecutionSettings& settings,
                              const std::string& id);

}  // namespace dynflow::remote_execution
