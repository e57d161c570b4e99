// Who may be held up by a log file whose disk hangs.
//
// Threads: each speaks for itself.
#pragma once

namespace dynflow::log {

// From now on the calling thread writes its records to a log file itself, which costs least; for all others the file's own thread does. To be called
// by threads of which there are many, so that it does no harm when one of them has to wait.
void may_wait_for_disk();

bool waits_for_disk();

}  // namespace dynflow::log
