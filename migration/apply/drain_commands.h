// The commands `drain` and `undrain`: a proxy whose jobs come to an end, and one that takes them again.
#pragma once

#include <span>

#include "migration/command.h"

namespace dynflow::migration {

std::span<const Command> drain_commands();

}  // namespace dynflow::migration
