// Runs one script on one host over ssh: upload, run, stream, stop, clean up.
//
// Threads: the loop's thread, as every runner.
//
// Source of behaviour: theforeman/smart_proxy_remote_execution_ssh v1.0.1, runners/script_runner.rb; spec of differences in
// docs/compatibility.md.
#pragma once

#include <memory>
#include <string>

#include "shared/base/clock.h"
#include "shared/executors/remote_execution/connection.h"
#include "shared/executors/remote_execution/effective_user.h"
#include "shared/executors/remote_execution/remote_shell.h"
#include "shared/net/event_loop.h"
#include "shared/runner/runner.h"

namespace dynflow::remote_execution {

struct ScriptJob {
  ConnectionOptions connection;
  std::string script;  // without carriage returns
  RemoteDirectory directory;
  EffectiveUser user;
  AclPolicy acl = AclPolicy::kPrefer;
  bool removes_directory = true;
  Duration kill_grace = std::chrono::seconds(10);
};

std::unique_ptr<runner::Runner> make_script_runner(runner::Publisher& publisher, net::EventLoop& loop,
                                                   ConnectionServices services, ScriptJob job);

// The number of a signal by its ssh name ("TERM"); 0 when unknown.
int signal_number(std::string_view name);

}  // namespace dynflow::remote_execution
