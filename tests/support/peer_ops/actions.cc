#include "tests/support/peer_ops/actions.h"

#include <chrono>

#include "shared/json/json.h"
#include "shared/runner/process_runner.h"

namespace dynflow::peer_ops {
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

void OtpRunner::run(engine::Running& running, const engine::Event* event) {
  Json& output = running.output();
  if (event == nullptr) {
    output["result"] = Json::array();
    output["otp_user"] = running.plan_id();
    output["otp"] = passwords_.generate(running.plan_id());
    running.suspend();
    return;
  }
  Json exit_status;
  if (event->name == runner::kExternalEvent) {
    persistence::OutputChunk chunk;
    chunk.output_type = "stdout";
    chunk.output = json::get_string(event->data, "output");
    chunk.timestamp = running.world().clock().now();
    if (!chunk.output.empty()) {
      running.world().append_output(running.plan_id(), running.action_id(), {std::move(chunk)});
    }
    if (const Json* code = json::find(event->data, "exit_code")) exit_status = *code;
  } else if (event->name == engine::kCancel || event->name == engine::kAbort) {
    exit_status = "CANCELLED";
  }
  if (exit_status.is_null()) {
    running.suspend();
    return;
  }
  output["exit_status"] = std::move(exit_status);
  output["exit_status_timestamp"] = to_unix_seconds(running.world().clock().now());
}

void OtpRunner::finalize(engine::Finalizing& finalizing) {
  if (finalizing.output().value("exit_status", Json()) != 0) {
    throw engine::ActionError("RuntimeError", "Script execution failed");
  }
}

}  // namespace dynflow::peer_ops
