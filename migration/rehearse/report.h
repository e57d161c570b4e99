// The findings as lines for a terminal and as a JSON document.
//
// Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "migration/rehearse/findings.h"
#include "shared/json/json_fwd.h"

namespace dynflow::migration {

std::vector<std::string> report_lines(const Findings& findings);
Json report_document(const Findings& findings);

}  // namespace dynflow::migration
