// The action behind every runner: starts it, waits, stores its end. And the plan shape that Foreman's tasks share: the work,
// then the callback.
//
// Source: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/action/{runner,shareable}.rb.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "shared/engine/action.h"
#include "shared/runner/dispatcher.h"

namespace dynflow::runner {

inline constexpr std::string_view kCallbackAction = "Proxy::Dynflow::Callback::Action";

// Takes "callback" out of `args`, sets "task_id" (the callback's, or a fresh one), plans this action with the rest, and behind it the
// callback action when there was a callback.
void plan_shareable(engine::Planning& planning, Json args);

// Register its classes with `acts_when_stored`: no runner starts before that is durable.
class RunnerAction : public engine::Action {
 public:
  explicit RunnerAction(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  void plan(engine::Planning& planning, Json args) override { plan_shareable(planning, std::move(args)); }
  void run(engine::Running& running, const engine::Event* event) override;
  // Fails with "Script execution failed" unless the exit status is 0.
  void finalize(engine::Finalizing& finalizing) override;
  engine::RescueStrategy rescue_strategy() const override { return engine::RescueStrategy::kFail; }

 protected:
  // Makes the recipe for the runner out of input and secrets: `make`, `timeout`; ids and group are filled in by the caller. Throws
  // ActionError for what cannot be: it is reported as "Proxy error: <class> - <text>" with EXCEPTION.
  virtual RunnerRequest prepare(engine::Running& running) = 0;

 private:
  void start(engine::Running& running, RunnerRequest request);

  Dispatcher& dispatcher_;
};

}  // namespace dynflow::runner
