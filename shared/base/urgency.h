// Who goes first when all processors are busy.
//
// Threads: about the calling one.
#pragma once

namespace dynflow {

// For threads whose work nobody waits for at a connection: from now on the calling one gives way to the others (SCHED_BATCH, nice 5),
// and so do the threads and the children that it starts. Cannot be taken back.
void give_way();

}  // namespace dynflow
