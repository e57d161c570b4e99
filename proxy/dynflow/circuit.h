// Whether the core is worth asking: keeps requests from waiting for a core that accepts connections and says nothing, or
// that swallows packets. A refusal that comes at once holds nobody up and is not counted: asking again is then the
// quickest way to see the core come back.
//
// Requests only raise a suspicion; a question of our own to the core (the probe) decides. So one slow route does not
// shut out the others, and no client's request is spent on finding out.
//
//   state      event                                            next
//   closed     3 costly failures in a row, or requests that     suspected
//              wait and no answer to any of them for 3 s
//   suspected  probe answered, or a request was                 closed
//   suspected  probe failed                                     open: requests are refused
//   open       probe answered, or a request was                 closed; a probe follows in any case, so that the end is told
//   open       probe failed                                     open: the pause before the next one doubles, up to 2 s
//
// Threads: all methods from any thread.
#pragma once

#include <mutex>

#include "shared/base/clock.h"

namespace dynflow::proxy {

class Circuit {
 public:
  enum class State { kClosed, kSuspected, kOpen };
  enum class Change { kNone, kOpened, kClosed };

  // `clock` outlives the circuit.
  explicit Circuit(const Clock& clock = system_clock());

  // Before a request. False: answer that the core is away. True: exactly one of answered() and failed() must follow.
  [[nodiscard]] bool admit();
  // The core said something, whatever it was.
  void answered();
  // `took`: how long the request had waited.
  void failed(Duration took);

  // Looks whether requests wait too long; true when a probe is due now.
  bool wants_probe();
  Change probed(bool has_answered);

  State state() const;
  // How long to wait before wants_probe() is worth another call.
  Duration pause() const;

 private:
  const Clock& clock_;
  mutable std::mutex mutex_;  // guards what follows
  State state_ = State::kClosed;
  bool has_told_open_ = false;  // kOpened was returned and kClosed was not yet
  int failures_ = 0;            // costly ones in a row
  int waiting_ = 0;
  Instant quiet_since_{};       // the last answer, or when somebody began to wait for one after none did
  Instant probe_due_{};         // while open
  Duration backoff_{};          // while open
};

}  // namespace dynflow::proxy
