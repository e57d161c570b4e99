// The findings as one HTML file: charts as inline SVG, nothing fetched from elsewhere, fit to be printed.
//
// Threads: a pure function.
#pragma once

#include <string>

#include "migration/rehearse/findings.h"

namespace dynflow::migration {

// Every stage has both modes and a round of each.
std::string html_report(const Findings& findings);

}  // namespace dynflow::migration
