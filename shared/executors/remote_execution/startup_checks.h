// What has to be right before the executor can be used. What is wrong disables the executor, not the process.
//
// Threads: pure functions, but for looking at files.
//
// Source: theforeman/smart_proxy_remote_execution_ssh v1.0.1, smart_proxy_remote_execution_ssh.rb:9-112.
#pragma once

#include <string>

#include "shared/base/result.h"
#include "shared/settings/remote_execution_ssh.h"

namespace dynflow::remote_execution {

// `log_level` is the hosting process's, "INFO". Errors: kInvalid, in upstream's words.
Status check_settings(const settings::RemoteExecutionSettings& settings, const std::string& log_level);

}  // namespace dynflow::remote_execution
