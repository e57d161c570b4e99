// An action that waits for several files, each in a plan of its own.
#pragma once

#include <memory>

#include "shared/engine/sub_plans.h"

namespace example {

inline constexpr std::string_view kWaitForFiles = "Example::WaitForFiles";

// Input {"paths": [...], "at_once": number of files that are waited for at the same time}.
std::unique_ptr<dynflow::engine::Action> make_wait_for_files();

}  // namespace example
