// The actions that the recorded exchanges used, and no-ops for benchmarks. A plugin for tests; never installed.
#pragma once

#include "shared/engine/action.h"
#include "shared/launcher/one_time_passwords.h"
#include "shared/runner/runner_action.h"

namespace dynflow::peer_ops {

// Answers at once.
class Noop final : public engine::Action {
 public:
  void plan(engine::Planning& planning, Json args) override { runner::plan_shareable(planning, std::move(args)); }
  void run(engine::Running& running, const engine::Event* event) override;
};

// Fails in run.
class Boom final : public engine::Action {
 public:
  void plan(engine::Planning& planning, Json args) override { runner::plan_shareable(planning, std::move(args)); }
  void run(engine::Running& running, const engine::Event* event) override;
};

// Runs input["script"] with sh -c on this machine.
class LocalScript final : public runner::RunnerAction {
 public:
  using RunnerAction::RunnerAction;

 protected:
  runner::RunnerRequest prepare(engine::Running& running) override;
};

// Waits for what update and done bring: {"output": text}, and {"exit_code": n} for the end. Its output tells the password that
// a host would use.
class OtpRunner final : public engine::Action {
 public:
  explicit OtpRunner(launcher::OneTimePasswords& passwords) : passwords_(passwords) {}
  void plan(engine::Planning& planning, Json args) override { runner::plan_shareable(planning, std::move(args)); }
  void run(engine::Running& running, const engine::Event* event) override;
  void finalize(engine::Finalizing& finalizing) override;
  engine::RescueStrategy rescue_strategy() const override { return engine::RescueStrategy::kFail; }

 private:
  launcher::OneTimePasswords& passwords_;
};

}  // namespace dynflow::peer_ops
