// What the system knows of this process.
//
// Threads: any.
#pragma once

#include "shared/metrics/text.h"

namespace dynflow::metrics {

// process_*, by the names that Prometheus' own libraries use. What cannot be read is left out.
void write_process(Text& text);

}  // namespace dynflow::metrics
