#include "shared/runner/runner_action.h"

#include <fmt/core.h>

#include <exception>

#include "shared/base/ids.h"
#include "shared/json/json.h"

namespace dynflow::runner {
namespace {

using engine::ActionError;

void say(engine::Running& running, std::string text) {
  persistence::OutputChunk chunk;
  chunk.output_type = "debug";
  chunk.output = std::move(text);
  chunk.timestamp = running.world().clock().now();
  running.world().append_output(running.plan_id(), running.action_id(), {std::move(chunk)});
}

void finish(engine::Running& running, Json exit_status, double timestamp) {
  running.output()["exit_status"] = std::move(exit_status);
  running.output()["exit_status_timestamp"] = timestamp;
}

void finish_with_exception(engine::Running& running, std::string text) {
  running.output()["result"] = Json::array();  // where documents show what is said
  say(running, std::move(text));
  finish(running, ExitStatus::exception().to_json(), to_unix_seconds(running.world().clock().now()));
}

}  // namespace

void plan_shareable(engine::Planning& planning, Json args) {
  Json callback;
  if (const auto found = args.find("callback"); found != args.end()) {
    callback = std::move(*found);
    args.erase(found);
  }
  const std::string task_id = json::get_string(callback, "task_id");
  args["task_id"] = task_id.empty() ? system_ids().uuid() : task_id;
  const std::string request_id = json::get_string(args, "current_request_id");
  planning.sequence([&] {
    const engine::OutputReference output = planning.plan_self(std::move(args));
    if (!callback.is_object()) return;
    Json callback_args{{"callback", std::move(callback)}, {"data", output.to_json()}};
    if (!request_id.empty()) callback_args["current_request_id"] = request_id;
    planning.plan_action(kCallbackAction, std::move(callback_args));
  });
}

void RunnerAction::run(engine::Running& running, const engine::Event* event) {
  Json& output = running.output();
  const std::string runner_id = json::get_string(output, "runner_id");
  if (event == nullptr) {
    // Run again without having ended: the process that held the runner is gone. One that waited has done nothing yet.
    const bool has_waited = output.erase(std::string(kRunnerWaits)) > 0;
    const bool had_secrets = output.erase(std::string(kRunnerSecrets)) > 0;
    if (!runner_id.empty() && !has_waited) {
      finish_with_exception(running, "The proxy was restarted while the job ran; how it ended is not known");
      return;
    }
    if (!running.secrets_loss().empty()) {
      finish_with_exception(running, fmt::format("The proxy was restarted before the job began, and its passwords cannot be read: {}. "
                                                 "Launch it again", running.secrets_loss()));
      return;
    }
    if (had_secrets && running.secrets().is_null()) {
      finish_with_exception(running, "The proxy was restarted before the job began; its passwords are kept in memory only: launch it again");
      return;
    }
    output["result"] = Json::array();
    try {
      RunnerRequest request = prepare(running);
      request.plan_id = running.plan_id();
      request.action_id = running.action_id();
      request.step_id = running.step_id();
      request.runner_id = system_ids().uuid();
      request.group = running.caller_plan_id().empty() ? running.plan_id() : running.caller_plan_id();
      request.request_id = running.request_id();
      output["runner_id"] = request.runner_id;
      running.suspend();
      start(running, std::move(request));
    } catch (const ActionError& e) {
      finish_with_exception(running, fmt::format("Proxy error: {} - {}", e.exception_class(), e.what()));
    } catch (const std::exception& e) {
      finish_with_exception(running, fmt::format("Proxy error: RuntimeError - {}", e.what()));
    }
    return;
  }
  if (event->name == kRunnerFinished) {
    output.erase(std::string(kRunnerWaits));  // cancelled before its turn
    output.erase(std::string(kRunnerSecrets));
    const Json* status = json::find(event->data, "exit_status");
    const Json* timestamp = json::find(event->data, "exit_status_timestamp");
    finish(running, status != nullptr ? *status : ExitStatus::exception().to_json(),
           timestamp != nullptr && timestamp->is_number() ? timestamp->get<double>()
                                                          : to_unix_seconds(running.world().clock().now()));
    return;
  }
  running.suspend();
  if (event->name == engine::kCancel || event->name == engine::kAbort) {
    dispatcher_.kill(runner_id);
  } else if (event->name == kExternalEvent) {
    dispatcher_.external_event(runner_id, event->data);
  } else if (event->name == engine::kPoll) {
    dispatcher_.refresh(runner_id);
  } else {
    throw ActionError("RuntimeError", fmt::format("Unexpected event {}", event->name));
  }
}

void RunnerAction::start(engine::Running& running, RunnerRequest request) {
  std::string runner_id = request.runner_id;
  const bool has_place = dispatcher_.submit(std::move(request));
  if (!has_place) {
    running.output()[kRunnerWaits] = true;
    if (!running.secrets().is_null()) running.output()[kRunnerSecrets] = true;
  }
  running.when_stored([&dispatcher = dispatcher_, has_place, id = std::move(runner_id)](const Status& stored) {
    if (has_place || !stored.ok()) dispatcher.confirm(id, stored);
  });
}

void RunnerAction::finalize(engine::Finalizing& finalizing) {
  const Json* status = json::find(finalizing.output(), "exit_status");
  const bool is_success = status != nullptr && status->is_number_integer() && status->get<std::int64_t>() == 0;
  if (!is_success) throw ActionError("RuntimeError", "Script execution failed");
}

}  // namespace dynflow::runner
