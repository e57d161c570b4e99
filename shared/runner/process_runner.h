// A runner for a child process of this machine.
//
// Source of its rules: theforeman/smart_proxy_dynflow v0.9.4, lib/smart_proxy_dynflow/runner/process_manager_command.rb; a child that
// a signal ended is reported as 128 + N, where upstream fails.
#pragma once

#include <memory>

#include "shared/process/child.h"
#include "shared/runner/runner.h"

namespace dynflow::runner {

// Starts `options`; its standard output and error become output. The end is reported once the child has ended and its pipes are
// drained; descendants that keep them open are waited for 1 s at most. kill() sends SIGTERM to the process group, and SIGKILL 10 s
// later.
std::unique_ptr<Runner> make_process_runner(Publisher& publisher, net::EventLoop& loop, process::SpawnOptions options);

}  // namespace dynflow::runner
