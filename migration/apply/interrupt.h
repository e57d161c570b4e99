// Ctrl-C and SIGTERM while a change is under way: remembered, and asked for between steps.
//
// Threads: the process has one.
#pragma once

namespace dynflow::migration {

// From now on SIGINT, SIGTERM and SIGHUP are remembered instead of ending the process; a second one ends it.
void remember_interrupts();
bool is_interrupted();
// Half a second, or until a signal.
void pause_between_looks();

}  // namespace dynflow::migration
