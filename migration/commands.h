// All commands, in the order in which they are shown.
#pragma once

#include <vector>

#include "migration/command.h"

namespace dynflow::migration {

// The one table. Rows come from the folders of their areas.
const std::vector<Command>& commands();

}  // namespace dynflow::migration
