// `dynflow-migrate state inspect|export|import`.
//
// Threads: the commands run on the program's main thread.
#pragma once

#include <span>

#include "migration/command.h"

namespace dynflow::migration {

std::span<const Command> state_commands();

}  // namespace dynflow::migration
