// The commands `config show|lint|get|set|migrate`.
#pragma once

#include <span>

#include "migration/command.h"

namespace dynflow::migration {

std::span<const Command> config_commands();

}  // namespace dynflow::migration
