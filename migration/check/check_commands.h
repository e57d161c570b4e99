// The command `check`.
#pragma once

#include <span>

#include "migration/command.h"

namespace dynflow::migration {

std::span<const Command> check_commands();

}  // namespace dynflow::migration
