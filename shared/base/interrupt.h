// Ctrl-C and SIGTERM for a program that has to tidy up first: remembered, and asked for between steps.
//
// Threads: is_interrupted() from any; the rest from the main thread.
#pragma once

namespace dynflow {

// From now on SIGINT, SIGTERM and SIGHUP are remembered instead of ending the process; a second one of the same kind ends it. They end
// poll() and sleeps early; a read or write goes on, so that no output is lost in the middle of a line.
void remember_interrupts();
bool is_interrupted();
void forget_interrupts_for_test();
// Half a second, or until a signal.
void pause_between_looks();

}  // namespace dynflow
