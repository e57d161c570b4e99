// The commands `plugins probe` and `plugins load`: whether libraries can be loaded, each tried in a process of its own.
#pragma once

#include <span>

#include "migration/command.h"

namespace dynflow::migration {

std::span<const Command> plugin_commands();

}  // namespace dynflow::migration
