// The command `status`.
#pragma once

#include <span>

#include "migration/command.h"

namespace dynflow::migration {

std::span<const Command> status_commands();

}  // namespace dynflow::migration
