#include "shared/executors/remote_execution/run_script.h"

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "shared/base/ids.h"
#include "shared/executors/remote_execution/job_input.h"
#include "shared/executors/remote_execution/script_runner.h"
#include "shared/runner/runner_action.h"

namespace dynflow::remote_execution {
namespace {

constexpr std::size_t kLookupThreads = 8;

// Handshakes at once: 4 a processor, at least 16.
std::size_t handshake_limit() { return std::max<std::size_t>(16, 4 * std::thread::hardware_concurrency()); }

class RunScript final : public runner::RunnerAction {
 public:
  RunScript(runner::Dispatcher& dispatcher, Executor& executor) : RunnerAction(dispatcher), executor_(executor) {}

 protected:
  runner::RunnerRequest prepare(engine::Running& running) override {
    JobInputResult read = read_job_input(running.input(), running.secrets(), executor_.settings(), system_ids().uuid());
    if (!read.ok()) throw engine::ActionError(read.error().exception_class, read.error().message);
    runner::RunnerRequest request;
    request.timeout = read.value().timeout;
    if (executor_.simulation()) {
      request.make = [&executor = executor_](runner::Publisher& publisher, net::EventLoop& loop) {
        return make_fake_runner(publisher, loop, *executor.simulation());
      };
      return request;
    }
    // std::function wants to be copied; the job is used once.
    auto job = std::make_shared<ScriptJob>(std::move(read.value().job));
    request.make = [&executor = executor_, job](runner::Publisher& publisher, net::EventLoop& loop) {
      return make_script_runner(publisher, loop, executor.services(), std::move(*job));
    };
    return request;
  }

 private:
  Executor& executor_;
};

}  // namespace

Executor::Executor(settings::RemoteExecutionSettings settings, std::optional<Simulation> simulation)
    : settings_(std::move(settings)),
      simulation_(std::move(simulation)),
      gate_(handshake_limit()),
      background_(kLookupThreads) {}

Status register_run_script(engine::ActionRegistry& actions, runner::Dispatcher& dispatcher, Executor& executor) {
  engine::ActionClass action;
  action.name = kRunScript;
  action.aliases = {std::string(kRunScriptBefore21)};
  action.has_run = true;
  action.has_finalize = true;
  action.takes_events = true;
  action.is_cancellable = true;
  action.acts_when_stored = true;
  action.make = [&dispatcher, &executor] { return std::make_unique<RunScript>(dispatcher, executor); };
  return actions.add(std::move(action));
}

}  // namespace dynflow::remote_execution
