#include "proxy/dynflow/circuit.h"

#include <algorithm>

namespace dynflow::proxy {
namespace {

using namespace std::chrono_literals;

constexpr int kFailuresInARow = 3;
// A failure that took less held nobody up.
constexpr Duration kCostly = 500ms;
constexpr Duration kQuiet = 3s;
constexpr Duration kLook = 1s;
constexpr Duration kFirstPause = 250ms;
constexpr Duration kLongestPause = 2s;

}  // namespace

Circuit::Circuit(const Clock& clock) : clock_(clock) {}

bool Circuit::admit() {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kOpen) return false;
  if (waiting_++ == 0) quiet_since_ = clock_.instant();
  return true;
}

void Circuit::answered() {
  const std::lock_guard lock(mutex_);
  --waiting_;
  failures_ = 0;
  quiet_since_ = clock_.instant();
  state_ = State::kClosed;
}

void Circuit::failed(Duration took) {
  const std::lock_guard lock(mutex_);
  --waiting_;
  if (took < kCostly) return;
  if (++failures_ >= kFailuresInARow && state_ == State::kClosed) state_ = State::kSuspected;
}

bool Circuit::wants_probe() {
  const std::lock_guard lock(mutex_);
  const Instant now = clock_.instant();
  if (state_ == State::kClosed && waiting_ > 0 && now - quiet_since_ >= kQuiet) state_ = State::kSuspected;
  // A request's answer closed it: the probe is what tells so.
  const bool is_untold = state_ == State::kClosed && has_told_open_;
  return state_ == State::kSuspected || is_untold || (state_ == State::kOpen && now >= probe_due_);
}

Circuit::Change Circuit::probed(bool has_answered) {
  const std::lock_guard lock(mutex_);
  const Instant now = clock_.instant();
  if (has_answered) {
    failures_ = 0;
    quiet_since_ = now;
    state_ = State::kClosed;
  } else if (state_ == State::kSuspected) {
    state_ = State::kOpen;
    backoff_ = kFirstPause;
    probe_due_ = now + backoff_;
  } else if (state_ == State::kOpen) {
    backoff_ = std::min(backoff_ * 2, kLongestPause);
    probe_due_ = now + backoff_;
  }
  const bool is_open = state_ == State::kOpen;
  if (is_open == has_told_open_) return Change::kNone;
  has_told_open_ = is_open;
  return is_open ? Change::kOpened : Change::kClosed;
}

Circuit::State Circuit::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Duration Circuit::pause() const {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kOpen) return kLook;
  return std::clamp<Duration>(probe_due_ - clock_.instant(), 10ms, kLongestPause);
}

}  // namespace dynflow::proxy
