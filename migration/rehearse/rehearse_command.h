// `dynflow-migrate rehearse`.
//
// Threads: the command runs on the program's main thread and waits there for signals.
#pragma once

#include <span>

#include "migration/command.h"

namespace dynflow::migration {

std::span<const Command> rehearse_commands();

}  // namespace dynflow::migration
