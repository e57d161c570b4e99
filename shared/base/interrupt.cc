#include "shared/base/interrupt.h"

#include <poll.h>
#include <signal.h>

#include <initializer_list>

namespace dynflow {

namespace {

volatile sig_atomic_t interrupted = 0;

void remember(int) { interrupted = 1; }

}  // namespace

void remember_interrupts() {
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

bool is_interrupted() { return interrupted != 0; }

void forget_interrupts_for_test() { interrupted = 0; }

void pause_between_looks() { poll(nullptr, 0, 500); }

}  // namespace dynflow
