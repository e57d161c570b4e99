// A runner that only pretends: five lines (or those of a file), one an interval, then an exit status by chance. Turned on by the
// environment; made for load tests of everything around the executor.
//
// Threads: make_fake_runner and the runner on the loop's thread; the rest from any thread.
//
// Source: theforeman/smart_proxy_remote_execution_ssh v1.0.1, runners/fake_script_runner.rb.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/result.h"
#include "shared/net/event_loop.h"
#include "shared/runner/runner.h"

namespace dynflow::remote_execution {

struct Simulation {
  std::vector<std::string> lines;
  int exit_status = 0;   // with fail_percent
  int fail_percent = 0;
  Duration interval = std::chrono::seconds(1);
};

// What REX_SIMULATE, REX_SIMULATE_PATH, REX_SIMULATE_EXIT and REX_SIMULATE_FAIL_CHANCE ask for; nothing when they do not. kInvalid: the
// file cannot be read.
Result<std::optional<Simulation>> simulation_from_environment();

// `simulation` outlives the runner.
std::unique_ptr<runner::Runner> make_fake_runner(runner::Publisher& publisher, net::EventLoop& loop,
                                                 const Simulation& simulation);

}  // namespace dynflow::remote_execution
