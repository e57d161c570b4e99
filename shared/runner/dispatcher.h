// Starts runners, limits how many run at once, ships their output, and reports their end to the suspended action.
//
// A runner starts only when it is durable that it does: after a crash those that had started count as lost, those that waited are run.
//
// Fairness: waiting runners are taken in turn from the groups they belong to, so that a job of 10,000 hosts does not hold back
// a job of one.
//
// Output reaches the store within 100 ms of the first byte, and at most once a second and runner while it keeps coming.
//
// Threads: all methods may be called from any thread. One loop thread drives all runners.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "shared/engine/world.h"
#include "shared/json/json_fwd.h"
#include "shared/runner/runner.h"

namespace dynflow::runner {

// The event a runner's end sends to its action: data {"exit_status", "exit_status_timestamp"}. All output was given
// to the store before it is sent, so it is durable before the result is.
inline constexpr std::string_view kRunnerFinished = "Proxy::Dynflow::Runner::Finished";
// What update and done routes send: data = the request's document.
inline constexpr std::string_view kExternalEvent = "Proxy::Dynflow::Runner::ExternalEvent";

// In the output of an action whose runner has not started: true.
inline constexpr std::string_view kRunnerWaits = "runner_waits";
// Beside it: true when secrets came with the launch, which a later process does not have.
inline constexpr std::string_view kRunnerSecrets = "runner_secrets";

struct DispatcherOptions {
  std::size_t max_running = 4000;          // runners at once
  std::size_t max_running_per_group = 0;   // 0 = no limit of its own
  std::size_t max_output_bytes = 0;        // a task; 0 = no cap. At the cap one debug chunk says so
};

class Dispatcher {
 public:
  Dispatcher(engine::World& world, DispatcherOptions options);
  ~Dispatcher();

  void start();
  // Ends the loop. Runners still there are destroyed without a kill: what they did outside may go on. Harmless twice.
  void stop();

  // Takes a runner on. True: it has a place, and starts with confirm(). False: it waits for one; when its turn has come, kRunnerWaits and
  // kRunnerSecrets are taken out of its action's output, and it starts when that is durable. So no runner starts of which
  // the store says that it waits.
  bool submit(RunnerRequest request);
  // `stored`: it is durable that the runner has its place. An error: it is not to start.
  void confirm(const std::string& runner_id, const Status& stored);
  // A waiting runner is taken out and finished with a text; a running one gets kill(). Unknown ids are ignored.
  void kill(const std::string& runner_id);
  // A plan was halted, or another world may work on it: its runners are ended, and the world hears nothing more from them.
  void drop_plan(const std::string& plan_id);
  void external_event(const std::string& runner_id, Json data);
  void refresh(const std::string& runner_id);

  std::size_t running() const;
  std::size_t waiting() const;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;  // shared with what waits for the store
};

// Tells the dispatcher which plans the world has dropped. Made before the world, whose observer it is.
class DropObserver final : public engine::PlanObserver {
 public:
  // Null: nobody is told. Before the world starts, and again before the dispatcher is destroyed.
  void set_dispatcher(Dispatcher* dispatcher);
  void plan_changed(const persistence::PlanRecord&, persistence::WriteBatch&) override {}
  void plan_dropped(const std::string& plan_id) override;

 private:
  std::mutex mutex_;
  Dispatcher* dispatcher_ = nullptr;
};

}  // namespace dynflow::runner
