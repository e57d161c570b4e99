// What a program and its service manager (systemd, or whoever speaks its protocol) tell each other: listening sockets, readiness,
// reload, stop, the watchdog. Without one every function here does nothing.
//
// Threads: from the main thread, take_sockets() before any other thread is started.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/daemon/inherited_sockets.h"

namespace dynflow::daemon {

// LISTEN_FDS with LISTEN_FDNAMES; both are taken out of the environment, so that no child process mistakes them for its own.
std::vector<NamedSocket> take_sockets();

void tell_ready();      // READY=1: after the start and after each reload
void tell_reloading();  // RELOADING=1 with the time, for Type=notify-reload
void tell_stopping();   // STOPPING=1
void tell_alive();      // WATCHDOG=1

// How often tell_alive() is due: half of what the watchdog allows. Nothing: no watchdog.
std::optional<Duration> watchdog_interval();

// The manager keeps these sockets over a restart and passes them to the next process (FileDescriptorStoreMax= allows it), and
// forgets the stale ones. True when there is a manager who was asked to keep some; whether it does it does not say.
bool keep_sockets(const OpenListeners& listeners);

}  // namespace dynflow::daemon
