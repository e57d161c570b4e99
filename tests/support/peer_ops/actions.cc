#include "tests/support/peer_ops/actions.h"

#include <chrono>

#include "shared/json/json.h"
#include "shared/runner/process_runner.h"

namespace dynflow::peer_ops {
namespace {

class WaitingRunner final : public runner::Runner {
 public:
  explicit WaitingRunner(runner::Publisher& publisher) : Runner(publisher) {}
  void start() override {}
  void kill() override { publisher().finish(runner::ExitStatus::signalled(15)); }
  void external_event(const Json& data) override {
    publisher().publish("stdout", json::get_string(data, "output"));
    if (const Json* code = json::find(data, "exit_code"); code != nullptr && code->is_number_integer()) {
      publisher().finish(runner::ExitStatus::code(code->get<int>()));
    }
  }
};

}  // namespace

void Noop::run(engine::Running& running, const engine::Event*) {
  running.output()["result"] = "ok";
  running.output()["exit_status"] = 0;
}

void Boom::run(engine::Running&, const engine::Event*) { throw engine::ActionError("RuntimeError", "boom"); }

runner::RunnerRequest LocalScript::prepare(engine::Running& running) {
  runner::RunnerRequest request;
  const std::int64_t timeout = json::get_int(running.input(), "execution_timeout_interval", 0);
  if (timeout > 0) request.timeout = std::chrono::seconds(timeout);
  process::SpawnOptions spawn;
  spawn.argv = {"/bin/sh", "-c", json::get_string(running.input(), "script")};
  spawn.environment = process::clean_environment();
  request.make = [spawn](runner::Publisher& publisher, net::EventLoop& loop) {
    return runner::make_process_runner(publisher, loop, spawn);
  };
  return request;
}

runner::RunnerRequest OtpRunner::prepare(engine::Running&) {
  runner::RunnerRequest request;
  request.make = [](runner::Publisher& publisher, net::EventLoop&) {
    return std::make_unique<WaitingRunner>(publisher);
  };
  return request;
}

}  // namespace dynflow::peer_ops
