// An action that waits until a file appears and reports what is in it.
#pragma once

#include <memory>

#include "shared/engine/polling.h"

namespace example {

inline constexpr std::string_view kWaitForFile = "Example::WaitForFile";

// Input {"path"}; output as Foreman reads it: "result" and "exit_status". Polls every 100 ms, then every second.
std::unique_ptr<dynflow::engine::Action> make_wait_for_file();

}  // namespace example
