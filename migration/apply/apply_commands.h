// The commands `plan`, `apply`, `verify`, `drain`, `rollback`, `cleanup`.
#pragma once

#include <span>

#include "migration/command.h"

namespace dynflow::migration {

std::span<const Command> apply_commands();

}  // namespace dynflow::migration
